// Published weights by name: from a folder, or fetched from a server on this machine; always by their hash.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pretrainedWeights, type PretrainedWeights } from '../../../src/shared/pretrained.ts'
import { importPretrained } from '../../../src/trainer/checkpoints/actions/pretrained.ts'
import { readManifest } from '../../../src/trainer/checkpoints/load.ts'
import { getPretrainedFile, type PretrainedPlaces } from '../../../src/trainer/checkpoints/pretrained.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { readForms } from './forms/forms.ts'

const content = readForms().get('classes-1000.pth')?.content ?? Buffer.alloc(0)
const sha256Prefix = createHash('sha256').update(content).digest('hex').slice(0, 8)
/** Torchvision's own file is not ours to commit: one of the same layout, under its own hash. */
const weights: PretrainedWeights = {
  ...pretrainedWeights('RESNET18_IMAGENET1K_V1'),
  file: `resnet18-${sha256Prefix}.pth`,
  sha256Prefix,
  megabytes: content.length / 1024 / 1024,
}
const fileName = weights.file

let answer: { status: number; body: Buffer }
const asked: (string | undefined)[] = []
const server = createServer((incoming, response) => {
  asked.push(incoming.url)
  response.writeHead(answer.status).end(answer.body)
})
let url: string
beforeAll(async () => {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models`
})
afterAll(() => void server.close())
beforeEach(() => {
  answer = { status: 200, body: content }
  asked.length = 0
})

function get(places: Partial<PretrainedPlaces>): Promise<string> {
  return getPretrainedFile(weights, { folders: [], cacheFolder: null, url: null, ...places }, () => undefined)
}

function folderWith(bytes: Buffer): string {
  const folder = temporaryFolder()
  writeFileSync(join(folder, fileName), bytes)
  return folder
}

const damaged = Buffer.concat([content, Buffer.alloc(1)])

describe('the file', () => {
  test('is taken from the first folder that has it, and nothing is fetched', async () => {
    const folders = [temporaryFolder(), folderWith(damaged), folderWith(content), folderWith(content)]
    expect(await get({ folders, cacheFolder: temporaryFolder(), url })).toBe(join(folders[2] ?? '', fileName))
    expect(asked).toEqual([])
  })

  test('is fetched into the cache, once', async () => {
    const cacheFolder = join(temporaryFolder(), 'new')
    expect(await get({ cacheFolder, url })).toBe(join(cacheFolder, fileName))
    expect(readdirSync(cacheFolder)).toEqual([fileName])
    expect(readFileSync(join(cacheFolder, fileName))).toEqual(content)
    expect(await get({ cacheFolder, url: null })).toBe(join(cacheFolder, fileName))
    expect(asked).toEqual([`/models/${fileName}`])
  })

  test('says how far it is', async () => {
    const said: [number, number][] = []
    const places = { folders: [], cacheFolder: temporaryFolder(), url }
    await getPretrainedFile(weights, places, (done, of) => said.push([done, of]))
    expect(said.at(-1)).toEqual([content.length, content.length])
  })
})

describe('refuses, and leaves nothing in the cache', () => {
  test.each<[what: string, status: number, body: Buffer, code: string, message: RegExp]>([
    ['another file', 200, content.subarray(1), 'CHECKPOINT_INVALID', /expected a sha-256 that begins with .{8}, as/],
    [
      'one without end',
      200,
      Buffer.alloc(2 * content.length),
      'CHECKPOINT_INVALID',
      /expected about .* MB; found more/,
    ],
    ['one that is not there', 404, Buffer.from('none'), 'NETWORK', /the server answered 404 Not Found/],
  ])('%s', async (_, status, body, code, message) => {
    answer = { status, body }
    const cacheFolder = temporaryFolder()
    await expect(get({ cacheFolder, url })).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    })
    expect(readdirSync(cacheFolder)).toEqual([])
  })

  test('a server that is not there', async () => {
    const cacheFolder = temporaryFolder()
    await expect(get({ cacheFolder, url: 'http://127.0.0.1:9' })).rejects.toMatchObject({ code: 'NETWORK' })
    expect(readdirSync(cacheFolder)).toEqual([])
  })
})

test('a file of that name and another hash is named where there is no better one', async () => {
  const folder = folderWith(damaged)
  await expect(get({ folders: [folder] })).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    message: expect.stringContaining(join(folder, fileName)) as string,
  })
})

test('a file that is nowhere is said to be so, with where it was looked for', async () => {
  const folder = temporaryFolder()
  await expect(get({ folders: [folder] })).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: `Expected ${fileName}, the weights RESNET18_IMAGENET1K_V1, in ${folder}.`,
  })
})

test('the action makes a checkpoint folder that knows ImageNet', async () => {
  const folder = join(temporaryFolder(), 'it')
  const places = { folders: [folderWith(content)], url: null, cacheFolder: null }
  const { report } = await importPretrained(weights, { folder, places }, () => undefined)
  expect(report.matched).toHaveLength(122)
  expect(await readManifest(folder)).toMatchObject({
    model: { architecture: 'RESNET18', classes: 1000, input: { channels: 3, height: 224, width: 224 } },
    data: {
      dataset: 'imagenet',
      classNames: [],
      normalisation: { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] },
    },
    importedFrom: { file: fileName, format: 'TORCH_ZIP' },
  })
})
