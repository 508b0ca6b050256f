// A run on a folder of images through the API, by the real trainer: listed, decoded, trained on, and kept for the next.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Checkpoint, type Client, createClient } from '../../src/sdk/index.ts'
import { parseTrainerEvent } from '../../src/shared/events.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { png, writeFiles } from '../trainer/fixtures/image-folders.ts'
import {
  collectEvents,
  createRun,
  makeFolder,
  post,
  query,
  removeFolder,
  startTestServer,
  tryCreateRun,
} from './server.ts'

let home: string
let server: RunningServer

beforeAll(async () => {
  home = await makeFolder()
  const files: Record<string, Buffer | string> = { 'train/b/9.png': 'damaged' }
  for (const [label, name] of ['a', 'b'].entries()) {
    for (let index = 0; index < 4; index += 1) {
      const picture = { width: 40 + index, height: 36, paint: (x: number, y: number) => [x, y, 90 * label] as const }
      files[`train/${name}/${index}.png`] = await png(picture)
      files[`val/${name}/${index}.png`] = await png(picture)
    }
  }
  writeFiles(join(home, 'data/pets'), files)
  server = await startTestServer(home, { dataRoots: [join(home, 'data')], cacheFolder: join(home, 'decoded') })
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

const input = {
  dataset: 'pets',
  epochs: 1,
  trainImages: null,
  validationImages: null,
  globalBatch: 4,
  shards: 2,
  imageSize: { height: 32, width: 32 },
  augmentation: { randomResizedCrop: {}, horizontalFlip: true },
}

test('is listed with its classes, and without a size', async () => {
  const { dataset } = await query<{ dataset: unknown }>(
    server.url,
    '{ dataset(name: "pets") { kind trainImages validationImages channels height width classes } }',
  )
  expect(dataset).toEqual({
    kind: 'IMAGE_FOLDER',
    trainImages: 9,
    validationImages: 8,
    channels: 3,
    height: null,
    width: null,
    classes: ['a', 'b'],
  })
})

test('fails by the name of a damaged image, succeeds without it, and is decoded once', async () => {
  const failing = await createRun(server.url, input)
  const failed = await collectEvents(server.url, failing.id)
  expect(failed.map(({ __typename }) => __typename)).toContain('DecodingEvent')
  expect(failed.at(-1)).toMatchObject({ state: 'FAILED', failure: { code: 'DATASET_INVALID' } })
  expect(failed.at(-1)?.failure?.message).toContain('cannot decode train/b/9.png: ')

  const run = await createRun(server.url, { ...input, onCorruptImage: 'SKIP' })
  const events = await collectEvents(server.url, run.id)
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED', failure: null })
  expect(events.map(({ __typename }) => __typename)).not.toContain('DecodingEvent')
  const [started] = readFileSync(join(run.directory, 'events.1.jsonl'), 'utf8')
    .split('\n')
    .slice(0, 1)
    .map((line) => parseTrainerEvent(JSON.parse(line)))
  expect(started).toMatchObject({ type: 'started', trainImages: 8, skippedImages: 1, stepsPerEpoch: 2 })
  expect(readdirSync(join(home, 'decoded')).filter((file) => file.endsWith('.images'))).toHaveLength(1)

  const { data } = await post(
    server.url,
    `query ($id: ID!) { run(id: $id) { events(first: 9) { nodes {
      ... on DecodingEvent { images ofImages corruptImages } ... on StartedEvent { skippedImages } } } } }`,
    { id: failing.id },
  )
  expect(JSON.stringify(data)).toContain('{"images":17,"ofImages":17,"corruptImages":1}')
})

describe('a checkpoint of it predicts', () => {
  let client: Client
  let checkpoint: Checkpoint
  beforeAll(async () => {
    client = createClient({ url: server.url })
    ;[checkpoint] = (await client.checkpoints({ last: 1 })).nodes as [Checkpoint]
  })
  afterAll(() => client.close())

  const validationFile = (name: string, index: number): string => join(home, `data/pets/val/${name}/${index}.png`)

  test('the images of its validation, as often right as they were there', async () => {
    const { runId } = checkpoint
    const [epoch] = await client.epochMetrics(runId ?? '')
    const { perClass } = await client.evaluation(epoch?.id ?? '')
    const right: number[] = []
    for (const name of ['a', 'b']) {
      const files = [0, 1, 2, 3].map((index) => validationFile(name, index))
      const predictions = await client.predict(checkpoint.id, files)
      expect(predictions.map(({ name: file, problem }) => [file, problem])).toEqual(
        [0, 1, 2, 3].map((index) => [`${index}.png`, null]),
      )
      for (const { classes } of predictions) {
        expect(classes?.map(({ name: named }) => named).sort()).toEqual(['a', 'b'])
        expect(classes?.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6)
      }
      right.push(predictions.filter(({ classes }) => classes?.[0]?.name === name).length)
    }
    expect(right).toEqual(perClass?.map(({ correct }) => correct))
    expect(readdirSync(join(home, 'uploads'))).toEqual([])
  })

  test('bytes as files, in order; one that is no image takes nothing from the others', async () => {
    const file = validationFile('a', 1)
    const bytes = Uint8Array.from(readFileSync(file))
    const named = new File([bytes], 'my cat.png')
    const text = new Blob(['no image'])
    const [first, ...others] = await client.predict(checkpoint.id, [file, bytes, text, named], { top: 1 })
    expect(first?.classes).toHaveLength(1)
    const { classes } = first ?? { classes: null }
    expect(others).toEqual([
      { name: 'image-1', classes, problem: null },
      { name: 'image-2', classes: null, problem: 'Input buffer contains unsupported image format' },
      { name: 'my cat.png', classes, problem: null },
    ])
  })

  test.each<[string, () => Promise<unknown>, object]>([
    [
      'no image',
      () => client.predict(checkpoint.id, []),
      {
        code: 'INVALID_INPUT',
        field: 'uploads',
        message: 'Invalid prediction: expected uploads to be a list of at least 1 entry; got a list of 0.',
      },
    ],
    [
      'no class',
      () => client.predict(checkpoint.id, [validationFile('a', 0)], { top: 0 }),
      {
        code: 'INVALID_INPUT',
        field: 'top',
        message: 'Invalid prediction: expected top to be a number above 0; got 0.',
      },
    ],
    [
      'an unknown checkpoint',
      () => client.predict('none', [validationFile('a', 0)]),
      { code: 'NOT_FOUND', message: 'There is no checkpoint "none".' },
    ],
    [
      'a file that is not there',
      () => client.predict(checkpoint.id, [join(home, 'none.png')]),
      {
        code: 'NOT_FOUND',
        message: expect.stringMatching(/^There is no file ".*none\.png" on this machine\.$/) as string,
      },
    ],
  ])('%s is declined', async (_, ask, expected) => {
    await expect(ask()).rejects.toMatchObject(expected)
  })
})

test('is refused where the hole has no room, as far as the size is known', async () => {
  const cutout = { size: 32 }
  expect(await tryCreateRun(server.url, { ...input, augmentation: { cutout } })).toMatchObject({
    __typename: 'InvalidInputFailure',
    field: 'augmentation.cutout.size',
  })
})
