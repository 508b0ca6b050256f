// Checkpoint files come in: from this machine, from a folder of the server's, by upload; refused ones leave nothing; what
// came stays, over a restart and without the database.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { copyFile, cp, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Checkpoint, type Client, createClient, TrainqlLoadRefused } from '../../src/sdk/index.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { importedFolder } from '../../src/shared/checkpoint-reference.ts'
import { createSortableId } from '../../src/shared/sortable-id.ts'
import { encodeSafetensors } from '../../src/trainer/checkpoints/safetensors.ts'
import { toRawTensors } from '../../src/trainer/checkpoints/state-dict.ts'
import { elementCount, stateEntries } from '../../src/trainer/models/parameters.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { makeFolder, query, removeFolder, startTestServer } from './server.ts'

let home: string
let roots: string
/** A ResNet-18 of three channels and seven classes, as DataParallel saves it. */
let file: string
let server: RunningServer
let client: Client
let imported: Checkpoint

const start = async (): Promise<void> => {
  server = await startTestServer(home, { checkpointRoots: [roots] })
  client = createClient({ url: server.url })
}
const stop = async (): Promise<void> => {
  await client.close()
  await server.close()
}
const imports = (): string[] => readdirSync(importedFolder(home)).sort()
const uploads = (): string[] => (existsSync(join(home, 'uploads')) ? readdirSync(join(home, 'uploads')) : [])
const list = async (): Promise<Checkpoint[]> => (await client.checkpoints({ origin: 'IMPORTED' })).nodes

beforeAll(async () => {
  home = await makeFolder()
  roots = join(home, 'files')
  await mkdir(roots)
  file = join(home, 'parallel.safetensors')
  const graph = resnet({ architecture: 'RESNET18', classes: 7, input: { channels: 3, height: 32, width: 32 } })
  const state = new Map(
    stateEntries(graph).map(({ name, shape }, index) => {
      const data = new Float32Array(elementCount(shape)).fill(name.endsWith('num_batches_tracked') ? 0 : index / 64)
      return [`module.${name}`, { shape, data }]
    }),
  )
  writeFileSync(file, Buffer.concat(encodeSafetensors({ tensors: toRawTensors(state), metadata: {} })))
  await start()
}, 60_000)
afterAll(async () => {
  await stop()
  await removeFolder(home)
})

test('a file is looked into, and nothing of it is kept', async () => {
  const inspection = await client.inspectCheckpoint(file)
  expect(inspection).toMatchObject({
    file: 'parallel.safetensors',
    format: 'SAFETENSORS',
    layout: 'STATE_DICT',
    loads: true,
    report: {
      recognised: { architecture: 'RESNET18', classes: 7, inputChannels: 3 },
      strippedPrefix: 'module.',
      missing: [],
      unexpected: [],
    },
    optimizer: null,
  })
  expect(inspection.problems.map(({ code, blocks }) => [code, blocks])).toEqual([['PREFIX', false]])
  expect(inspection.tensors).toHaveLength(122)
  const wrong = await client.inspectCheckpoint(file, { architecture: 'RESNET50' })
  expect(wrong.loads).toBe(false)
  expect(wrong.problems.map(({ code }) => code)).toContain('WRONG_ARCHITECTURE')
  expect(await list()).toEqual([])
})

test('a file on this machine becomes a checkpoint of ours, with a report of what was taken', async () => {
  const before = uploads()
  const checkpoint = await client.importCheckpoint(file)
  imported = checkpoint
  expect(checkpoint).toMatchObject({
    origin: 'IMPORTED',
    reference: expect.stringMatching(/^imported\/[0-9a-z]{26}$/) as string,
    name: 'parallel.safetensors',
    runId: null,
    attempt: null,
    architecture: 'RESNET18',
    classes: 7,
    inputChannels: 3,
    hasOptimizer: false,
    parent: null,
    importedFrom: {
      file: 'parallel.safetensors',
      format: 'SAFETENSORS',
      layout: 'STATE_DICT',
      strippedPrefix: 'module.',
      sha256: createHash('sha256').update(readFileSync(file)).digest('hex'),
    },
    loadReport: { strippedPrefix: 'module.', missing: [] },
  })
  expect(checkpoint.loadReport?.matched).toHaveLength(122)
  expect(readdirSync(checkpoint.path).sort()).toEqual(['manifest.json', 'model.safetensors'])
  expect(uploads()).toEqual(before)
  const { checkpoint: found, node } = await query<Record<string, unknown>>(
    server.url,
    `query ($id: ID!) { checkpoint(id: $id) { run { id } metrics { id } loadReport { strippedPrefix } } node(id: $id) { __typename } }`,
    { id: checkpoint.id },
  )
  expect(found).toEqual({ run: null, metrics: null, loadReport: { strippedPrefix: 'module.' } })
  expect(node).toEqual({ __typename: 'Checkpoint' })
  expect((await client.verifyCheckpoint(checkpoint.id)).intact).toBe(true)
})

test('what does not fit is refused with its report, and leaves nothing but the upload', async () => {
  const before = imports()
  const refusal = await client.importCheckpoint(file, { architecture: 'RESNET34' }).catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(TrainqlLoadRefused)
  expect(refusal).toMatchObject({
    code: 'CHECKPOINT_INVALID',
    type: 'LoadRefusedFailure',
    report: { recognised: { architecture: 'RESNET18' } },
  })
  const text = new Blob(['This is no checkpoint.'])
  await expect(client.importCheckpoint(text, { fileName: 'note.pth' })).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    type: 'InvalidInputFailure',
  })
  await expect(client.importCheckpoint(text)).rejects.toMatchObject({ field: 'fileName' })
  await expect(client.importCheckpoint(join(home, 'absent.pth'))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(client.importCheckpoint({ uploadId: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  // Nothing says where published weights are to be had.
  const published = { pretrained: 'RESNET18_IMAGENET1K_V1' } as const
  await expect(client.importCheckpoint(published)).rejects.toMatchObject({
    type: 'NotFoundFailure',
    message: expect.stringContaining('resnet18-f37072fd.pth') as string,
  })
  expect(await client.pretrainedWeights()).toContainEqual({
    name: 'RESNET18_IMAGENET1K_V1',
    architecture: 'RESNET18',
    classes: 1000,
    file: 'resnet18-f37072fd.pth',
    megabytes: 44.661,
    accuracy: 0.69758,
  })
  expect(imports()).toEqual(before)
  // The first two, for another try.
  expect(uploads()).toHaveLength(2)
})

test('a file in a folder of the server is imported where it lies, under a name', async () => {
  await copyFile(file, join(roots, 'shared.safetensors'))
  const named = await client.importCheckpoint({ path: 'shared.safetensors' }, { name: ' the shared one ' })
  expect(named).toMatchObject({ name: 'the shared one', importedFrom: { file: 'shared.safetensors' } })
  expect(named.sha256).toBe(imported.sha256)
  expect((await list()).map(({ name }) => name)).toEqual(['the shared one', 'parallel.safetensors'])
  await expect(client.createRun({ dataset: 'shapes', initialise: { checkpoint: named.id } })).rejects.toMatchObject({
    field: 'initialise.reinitialise',
    message: 'This checkpoint tells 7 classes apart; shapes has 10.',
  })
})

test('files that were changed on the disk are found', async () => {
  const weights = join(imported.path, 'model.safetensors')
  const handle = await open(weights, 'r+')
  const { size } = await handle.stat()
  const last = Buffer.alloc(1)
  await handle.read(last, 0, 1, size - 1)
  await handle.write(Buffer.from([last[0]! ^ 1]), 0, 1, size - 1)
  const { intact, files } = await client.verifyCheckpoint(imported.id)
  expect(intact).toBe(false)
  expect(files.map(({ name, intact: fine }) => [name, fine])).toEqual([
    ['manifest.json', true],
    ['model.safetensors', false],
  ])
  expect(files[1]?.expected).toBe(`${size} bytes, sha-256 ${imported.sha256}`)
  expect(files[1]?.found).not.toContain(imported.sha256)
  await handle.write(last, 0, 1, size - 1)
  await handle.close()
  expect((await client.verifyCheckpoint(imported.id)).intact).toBe(true)
})

test('imports outlive the server and its database, and are taken in where the command line put them', async () => {
  const [shared] = await list()
  await client.pinCheckpoint(imported.id)
  await client.deleteCheckpoint(shared!.id)
  expect(imports().filter((name) => name.startsWith(shared!.path.split('/').at(-1)!))).toHaveLength(1)
  await stop()
  await rm(join(home, 'db'), { recursive: true })
  const id = createSortableId(new Date())
  await cp(imported.path, join(importedFolder(home), id), { recursive: true })
  // What crashes leave: a deletion half done, and a record that cannot be read.
  await mkdir(join(importedFolder(home), '.deleted-x'))
  const broken = createSortableId(new Date(0))
  await writeFile(join(importedFolder(home), `${broken}.json`), '{')
  await start()

  expect(await list()).toEqual([
    {
      ...imported,
      id: expect.any(String) as string,
      reference: `imported/${id}`,
      path: join(importedFolder(home), id),
      createdAt: expect.any(String) as string,
      loadReport: undefined,
    },
    { ...imported, pinned: true, loadReport: undefined },
  ])
  expect(await client.checkpoint(shared!.id)).toMatchObject({ deletedAt: expect.any(String) as string })
  expect(existsSync(join(importedFolder(home), '.deleted-x'))).toBe(false)
  expect(existsSync(join(importedFolder(home), `${broken}.json`))).toBe(true)
  await expect(client.deleteCheckpoint(imported.id)).rejects.toMatchObject({ message: /is pinned/ })

  // Its folder is gone: it is not listed, rather than offered and then not there.
  await stop()
  await rename(join(importedFolder(home), id), join(home, 'elsewhere'))
  await start()
  expect((await list()).map(({ reference }) => reference)).toEqual([imported.reference])
})
