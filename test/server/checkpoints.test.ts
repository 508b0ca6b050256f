// Checkpoints through the API, with a real trainer and real checkpoint processes: made, kept, sent out, taken in, begun with.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Checkpoint, type Client, createClient } from '../../src/sdk/index.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { lockFile } from '../../src/shared/run-directory.ts'
import { makeFolder, post, query, removeFolder, startTestServer } from './server.ts'

let home: string
let roots: string
let server: RunningServer
let client: Client
/** Of one run, oldest first. */
let written: Checkpoint[]

const limitBytes = 64 * 2 ** 20
const start = (): Promise<RunningServer> =>
  startTestServer(home, { checkpointRoots: [roots], uploadLimitBytes: limitBytes })
const task = { dataset: 'shapes', trainImages: 16, validationImages: 8, globalBatch: 8 }
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const waitFor = (runId: string) => client.waitForRun(runId)

beforeAll(async () => {
  home = await makeFolder()
  roots = join(home, 'files')
  await mkdir(roots)
  server = await start()
  client = createClient({ url: server.url })
  const run = await client.createRun({ ...task, epochs: 2 })
  expect(await waitFor(run.id)).toMatchObject({
    failure: null,
    state: 'SUCCEEDED',
    checkpointPolicy: { keepLast: null },
  })
  written = (await client.checkpoints({ runId: run.id })).nodes
}, 120_000)
afterAll(async () => {
  await client.close()
  await server.close()
  await removeFolder(home)
})

const [first, second] = [() => written[0]!, () => written[1]!]

test('a checkpoint says what it is of, and what its epoch measured', async () => {
  expect(written).toHaveLength(2)
  expect(first()).toMatchObject({
    origin: 'RUN',
    architecture: 'RESNET18',
    classes: 10,
    inputChannels: 1,
    hasOptimizer: true,
    pinned: false,
    parent: null,
    importedFrom: null,
    deletedAt: null,
    reference: `${first().path.split('/').at(-3)}/1-00000002`,
  })
  const { checkpoint } = await query<{ checkpoint: { metrics: { epoch: number; accuracy: number } } }>(
    server.url,
    'query ($id: ID!) { checkpoint(id: $id) { metrics { epoch accuracy } loadReport { layout } } }',
    { id: second().id },
  )
  expect(checkpoint).toEqual({ metrics: { epoch: 2, accuracy: expect.any(Number) as number }, loadReport: null })
})

test('a pinned checkpoint is kept: the pin is a file that the trainer sees, and an event', async () => {
  expect(await client.pinCheckpoint(first().id)).toMatchObject({ pinned: true })
  const pin = `${first().path}.pinned`
  expect(existsSync(pin)).toBe(true)
  await expect(client.deleteCheckpoint(first().id)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: `The checkpoint ${first().reference} is pinned.`,
  })
  // Once more changes nothing.
  await client.pinCheckpoint(first().id)
  expect(await client.pinCheckpoint(first().id, { pinned: false })).toMatchObject({ pinned: false })
  expect(existsSync(pin)).toBe(false)
  const events: string[] = []
  for await (const event of client.runEvents(first().runId!)) {
    if (event.__typename === 'CheckpointPinnedEvent') events.push(`${event.checkpoint.name} ${event.pinned}`)
  }
  expect(events).toEqual(['1-00000002 true', '1-00000002 false'])
  await expect(client.pinCheckpoint(`${first().runId}/9-00000009`)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('an export is made once and fetched whole, in parts, or not at all', async () => {
  const download = await client.exportCheckpoint(second().id, { format: 'SAFETENSORS' })
  const fileName = `resnet18-${second().reference.replace('/', '-')}.safetensors`
  expect(download).toMatchObject({
    fileName,
    format: 'SAFETENSORS',
    url: expect.stringMatching(/^\/exports\//) as string,
  })
  const url = new URL(download.url, server.url)
  const whole = await fetch(url)
  const bytes = new Uint8Array(await whole.arrayBuffer())
  expect(hashOf(bytes)).toBe(download.sha256)
  expect(Object.fromEntries(whole.headers)).toMatchObject({
    'content-length': download.bytes,
    'content-disposition': `attachment; filename=${fileName}`,
    'accept-ranges': 'bytes',
    etag: `"${download.sha256}"`,
  })
  const part = await fetch(url, { headers: { range: 'bytes=100-199' } })
  expect(part.status).toBe(206)
  expect(part.headers.get('content-range')).toBe(`bytes 100-199/${download.bytes}`)
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.subarray(100, 200))
  const beyond = await fetch(url, { headers: { range: `bytes=${download.bytes}-` } })
  expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, `bytes */${download.bytes}`])
  const known = { 'if-none-match': `"${download.sha256}"`, 'cache-control': 'max-age=0' }
  expect((await fetch(url, { headers: known })).status).toBe(304)
  expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).toBe(download.bytes)

  const again = await client.exportCheckpoint(second().id, { format: 'SAFETENSORS' })
  expect(new URL(again.url, server.url).pathname).toBe(url.pathname)
  for (const [change, status] of [
    ['signature', 403],
    ['expires', 403],
  ] as const) {
    const forged = new URL(url)
    forged.searchParams.set(change, change === 'expires' ? '9999999999999' : 'x')
    expect((await fetch(forged)).status).toBe(status)
  }
  expect((await fetch(`${server.url}${url.pathname.replace(/[^/]+$/, '..%2F..%2Fsecret')}${url.search}`)).status).toBe(
    403,
  )
  expect((await fetch(`${server.url}/exports/`)).status).toBe(404)
  expect(statSync(join(home, 'secret')).mode & 0o777).toBe(0o600)
})

test('a download is a file that is whole and checked, or none', async () => {
  const file = join(home, 'downloaded.safetensors')
  const seen: number[] = []
  const options = { format: 'SAFETENSORS', onProgress: (bytes: number) => seen.push(bytes) } as const
  const download = await client.downloadCheckpoint(second().id, options, file)
  expect(hashOf(readFileSync(file))).toBe(download.sha256)
  expect(seen.at(-1)).toBe(Number(download.bytes))

  // A line that breaks in the middle is taken up behind what has come.
  let requests = 0
  const ranges: (string | null)[] = []
  const breaking = createClient({
    url: server.url,
    async fetch(input, init) {
      const response = await fetch(input, init)
      if (!input.includes('/exports/')) return response
      ranges.push(new Headers(init.headers).get('range'))
      if (++requests > 2 || response.body === null) return response
      const reader = response.body.getReader()
      let chunks = 0
      const body = new ReadableStream({
        async pull(controller) {
          if (++chunks < 4) controller.enqueue((await reader.read()).value as unknown)
          else {
            await reader.cancel()
            controller.error(new Error('the line broke'))
          }
        },
      })
      return new Response(body, { status: response.status, headers: response.headers })
    },
  })
  const other = join(home, 'other.safetensors')
  await breaking.downloadCheckpoint(second().id, { format: 'SAFETENSORS' }, other)
  await breaking.close()
  expect(ranges).toEqual([null, ...[1, 2].map(() => expect.stringMatching(/^bytes=[1-9]\d*-$/) as string)])
  expect(hashOf(readFileSync(other))).toBe(download.sha256)
  expect(readdirSync(home).filter((name) => name.endsWith('.part'))).toEqual([])

  // What came is not what was announced.
  const lying = createClient({
    url: server.url,
    fetch: async (input, init) =>
      input.includes('/exports/') ? new Response(new Uint8Array(Number(download.bytes))) : fetch(input, init),
  })
  await expect(
    lying.downloadCheckpoint(second().id, { format: 'SAFETENSORS' }, join(home, 'lie')),
  ).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
  await lying.close()
  expect(readdirSync(home).filter((name) => name.startsWith('lie'))).toEqual([])
})

test('uploads: signed, once, within the limit, and nothing is left of what was refused', async () => {
  const uploads = join(home, 'uploads')
  const create = `mutation ($input: CheckpointUploadInput!) { createCheckpointUpload(input: $input) {
    __typename ... on CheckpointUpload { id url limitBytes } ... on InvalidInputFailure { field message } } }`
  interface Upload {
    __typename: string
    id: string
    url: string
    limitBytes: string
  }
  const ask = async (input: Record<string, unknown>): Promise<Upload> =>
    (await query<{ createCheckpointUpload: Upload }>(server.url, create, { input })).createCheckpointUpload
  const put = (url: string, body: RequestInit['body']): Promise<Response> =>
    fetch(new URL(url, server.url), { method: 'PUT', body, duplex: 'half' })

  for (const fileName of ['../secret', '.hidden', 'a/b', 'a\\b', '', 'a\u0000b', 'x'.repeat(201)]) {
    expect(await ask({ fileName })).toMatchObject({ __typename: 'InvalidInputFailure', field: 'fileName' })
  }
  expect(await ask({ fileName: 'a', bytes: String(limitBytes + 1) })).toMatchObject({ field: 'bytes' })

  const upload = await ask({ fileName: 'ä b%.bin', bytes: '3' })
  expect(upload.limitBytes).toBe(String(limitBytes))
  expect((await put(upload.url.replace(/signature=./, 'signature=!'), 'abc')).status).toBe(403)
  const answer = await put(upload.url, 'abc')
  expect([answer.status, await answer.json()]).toEqual([201, { id: upload.id, bytes: 3 }])
  expect(readFileSync(join(uploads, upload.id, 'ä b%.bin'), 'utf8')).toBe('abc')
  expect((await put(upload.url, 'abcd')).status).toBe(409)
  expect((await fetch(new URL(upload.url, server.url))).status).toBe(404)

  // Announced as too large, and found to be too large on the way.
  const large = await ask({ fileName: 'large' })
  const announced = await put(large.url, new Uint8Array(limitBytes + 1)).catch(() => null)
  if (announced !== null) expect(announced.status).toBe(413)
  let sent = 0
  const endless = new ReadableStream({
    pull(controller) {
      sent += 2 ** 20
      controller.enqueue(new Uint8Array(2 ** 20))
      if (sent > 4 * limitBytes) controller.close()
    },
  })
  const found = await put(large.url, endless).catch(() => null)
  if (found !== null) expect(found.status).toBe(413)
  expect(sent).toBeLessThan(3 * limitBytes)
  await expect.poll(() => readdirSync(join(uploads, large.id))).toEqual([])
  // Whoever leaves in the middle may try again.
  const leaving = new AbortController()
  const half = new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(100))
      leaving.abort()
    },
  })
  await expect(
    fetch(new URL(large.url, server.url), {
      method: 'PUT',
      body: half,
      duplex: 'half',
      signal: leaving.signal,
    }),
  ).rejects.toThrow()
  await expect.poll(() => readdirSync(join(uploads, large.id))).toEqual([])
  expect((await put(large.url, 'whole')).status).toBe(201)
})

test('files are named by their path in the configured folders alone', async () => {
  await writeFile(join(home, 'outside.pth'), 'x')
  await symlink(join(home, 'outside.pth'), join(roots, 'link.pth'))
  await symlink(home, join(roots, 'up'))
  const refused = { code: 'INVALID_INPUT', field: 'path' }
  for (const path of [
    '../outside.pth',
    join(home, 'outside.pth'),
    'link.pth',
    'up/outside.pth',
    '/etc/passwd',
    'none',
  ]) {
    const error = await client.inspectCheckpoint({ path }).catch((caught: unknown) => caught as Error)
    expect(error).toMatchObject(refused)
    expect((error as Error).message).toBe(
      `Expected a file in one of the checkpoint roots, ${roots}; got ${JSON.stringify(path)}.`,
    )
  }
  await expect(client.importCheckpoint({ path: '../outside.pth' })).rejects.toMatchObject(refused)
  const { data } = await post(
    server.url,
    '{ inspectCheckpoint(input: {}) { ... on InvalidInputFailure { field message } } }',
  )
  expect(data).toEqual({
    inspectCheckpoint: { field: 'path', message: 'Expected one of path, uploadId, checkpoint; got none.' },
  })
})

test('what a run cannot begin with is refused before it is queued', async () => {
  const begin = (input: Record<string, unknown>) => client.createRun({ ...task, ...input })
  const checkpoint = second().id
  await expect(begin({ architecture: 'RESNET50', initialise: { checkpoint } })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'initialise.checkpoint',
    message: "This checkpoint is a ResNet-18; the run's model is a ResNet-50.",
    fix: 'Create the run with architecture RESNET18, or name a checkpoint of a ResNet-50.',
  })
  await expect(begin({ initialise: { checkpoint, reinitialise: ['fcc'] } })).rejects.toMatchObject({
    field: 'initialise.reinitialise',
    message: 'Expected layers of a ResNet-18, such as conv1, layer4 or fc; got "fcc".',
  })
  await expect(begin({ initialise: {} })).rejects.toMatchObject({ field: 'initialise' })
  await expect(begin({ initialise: { pretrained: 'RESNET18_IMAGENET1K_V1' } })).rejects.toMatchObject({
    field: 'initialise.reinitialise',
    message: 'This checkpoint tells 1000 classes apart; shapes has 10.',
  })
  await expect(
    begin({ initialise: { pretrained: 'RESNET18_IMAGENET1K_V1', reinitialise: ['fc'] } }),
  ).rejects.toMatchObject({
    message: 'This checkpoint takes images of 3 channels; those of shapes have 1.',
    fix: 'Add "conv1" to reinitialise, or use stem SUM_CHANNELS, which keeps its weights.',
  })
  await expect(begin({ initialise: { checkpoint: 'imported/none' } })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect((await client.runs()).totalCount).toBe(1)
})

test('a deleted checkpoint is gone from the disk and the lists, and stays what others came from', async () => {
  const run = await client.createRun({ ...task, initialise: { checkpoint: first().id }, devices: { names: ['cpu:0'] } })
  // The run needs it until it has ended.
  await expect(client.deleteCheckpoint(first().id)).rejects.toMatchObject({
    code: 'CONFLICT',
    fix: 'Wait for that run to end, or cancel it.',
  })
  expect(await waitFor(run.id)).toMatchObject({
    failure: null,
    state: 'SUCCEEDED',
    initialise: { optimizer: false, reinitialise: [], stem: 'AS_IS' },
    initialisedFrom: { reference: first().reference },
  })
  const { run: begun } = await query<{ run: { loadReport: { matched: string[]; missing: string[] } } }>(
    server.url,
    'query ($id: ID!) { run(id: $id) { loadReport { matched missing } checkpoints { nodes { parent { reference } } } } }',
    { id: run.id },
  )
  expect(begun.loadReport.matched).toHaveLength(122)
  expect(begun).toMatchObject({
    loadReport: { missing: [] },
    checkpoints: { nodes: [{ parent: { reference: first().reference } }] },
  })
  const { sha256 } = first()
  const deleted = await client.deleteCheckpoint(first().id)
  expect(deleted.deletedAt).not.toBeNull()
  expect(existsSync(first().path)).toBe(false)
  // The run that began with it keeps it, to be resumed or proved by.
  expect(hashOf(readFileSync(join(run.directory, 'initial', 'model.safetensors')))).toBe(sha256)
  expect((await client.checkpoints({ runId: first().runId })).nodes.map(({ name }) => name)).toEqual([second().name])
  await expect(client.deleteCheckpoint(first().id)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('was deleted at') as string,
  })
  expect(await client.checkpoint(first().id)).toMatchObject({ deletedAt: deleted.deletedAt })
})

test('a trainer that was killed is resumed on other devices, and the weights end as if nothing had been', async () => {
  const same = { ...task, trainImages: 64, epochs: 2, seed: 5 }
  const straight = await client.createRun({ ...same, devices: { names: ['cpu:0'] } })
  expect(await waitFor(straight.id)).toMatchObject({ state: 'SUCCEEDED' })
  const run = await client.createRun({ ...same, devices: { names: ['cpu:0'] } })
  for await (const event of client.runEvents(run.id)) {
    // Behind the first epoch's checkpoint, within the second epoch.
    if (event.__typename === 'StepEvent' && event.step === 9) break
  }
  const { pid } = JSON.parse(readFileSync(lockFile(run.directory, 1), 'utf8')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  expect(await waitFor(run.id)).toMatchObject({ state: 'FAILED', failure: { code: 'TRAINER_DIED' } })
  await client.resumeRun(run.id, { devices: { count: 2 } })
  expect(await waitFor(run.id)).toMatchObject({ state: 'SUCCEEDED', attempt: 2, deviceNames: ['cpu:0', 'cpu:1'] })
  const last = async (runId: string) => (await client.checkpoints({ runId, last: 1 })).nodes[0]!
  const [resumed, uninterrupted] = [await last(run.id), await last(straight.id)]
  expect(resumed).toMatchObject({
    attempt: 2,
    step: 16,
    parent: { reference: expect.stringMatching(/1-0000000\d$/) as string },
  })
  expect(resumed.sha256).toBe(uninterrupted.sha256)
})

test('what a crash left of a checkpoint that was deleted is removed at the next start, and nothing else', async () => {
  await mkdir(first().path)
  await writeFile(join(first().path, 'left'), '')
  const others = readdirSync(join(second().path, '..')).filter((name) => name !== first().name)
  await client.close()
  await server.close()
  server = await start()
  client = createClient({ url: server.url })
  expect(existsSync(first().path)).toBe(false)
  expect(readdirSync(join(second().path, '..'))).toEqual(others)
})
