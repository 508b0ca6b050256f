// A recipe through the API: what is asked for reaches the spec that the trainer reads, and comes back as asked.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import {
  collectEvents,
  createRun,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
} from './server.ts'

let home: string
let server: RunningServer

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home, { trainerEntry: scriptedTrainer })
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

const fields = `optimizer { kind momentum nesterov beta1 beta2 epsilon weightDecay decayVectors } learningRate
  schedule { kind warmUpSteps stepEpochs factor minimum startFactor endFactor peakShare }
  precision accumulationSteps syncBatchNorm clipNorm labelSmoothing
  augmentation { randomCrop { padding } randomResizedCrop { minScale maxScale minRatio maxRatio }
    horizontalFlip cutout { size } }
  imageSize { height width } onCorruptImage`

/** Asks for a run; what the API shows of it, and what the trainer reads. */
async function ask(input: Record<string, unknown>) {
  const { id, directory } = await createRun(server.url, input)
  const text = `query ($id: ID!) { run(id: $id) { ${fields} } }`
  const { run } = await query<{ run: Record<string, unknown> }>(server.url, text, { id })
  const spec = JSON.parse(readFileSync(join(directory, 'spec.json'), 'utf8')) as Record<string, unknown>
  await query(server.url, 'mutation ($id: ID!) { cancelRun(id: $id) { __typename } }', { id })
  return { shown: run, spec }
}

const noOptimizer = { momentum: null, nesterov: null, beta1: null, beta2: null, epsilon: null }
const noSchedule = {
  warmUpSteps: null,
  stepEpochs: null,
  factor: null,
  minimum: null,
  startFactor: null,
  endFactor: null,
  peakShare: null,
}
const adam = { ...noOptimizer, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decayVectors: true }

test('nothing asked for: the defaults, in full', async () => {
  const { shown, spec } = await ask({})
  expect(shown).toEqual({
    optimizer: { ...noOptimizer, kind: 'SGD', momentum: 0.9, nesterov: false, weightDecay: 0, decayVectors: true },
    // 0.1 x 16 / 256.
    learningRate: 0.00625,
    schedule: { ...noSchedule, kind: 'CONSTANT', warmUpSteps: 0 },
    precision: 'FP32',
    accumulationSteps: 1,
    syncBatchNorm: false,
    clipNorm: null,
    labelSmoothing: 0,
    augmentation: null,
    imageSize: null,
    onCorruptImage: 'FAIL',
  })
  expect(spec).toMatchObject({ precision: 'FP32', augmentation: null, schedule: { kind: 'CONSTANT', warmUpSteps: 0 } })
})

test('everything asked for comes back as asked', async () => {
  const whole = {
    learningRate: 0.4,
    accumulationSteps: 2,
    clipNorm: 1.5,
    labelSmoothing: 0.1,
    imageSize: { height: 32, width: 40 },
    onCorruptImage: 'SKIP',
    shards: 2,
  }
  const optimizer = { kind: 'SGD', momentum: 0.8, nesterov: true, weightDecay: 5e-4, decayVectors: false }
  const schedule = { kind: 'STEP', stepEpochs: 3, factor: 0.2, warmUpSteps: 2 }
  const augmentation = { randomCrop: { padding: 2 }, horizontalFlip: true, cutout: { size: 8 } }
  const { shown, spec } = await ask({ ...whole, optimizer, schedule, augmentation })
  const { shards, ...rest } = whole
  expect(shown).toEqual({
    ...rest,
    precision: 'FP32',
    syncBatchNorm: false,
    optimizer: { ...noOptimizer, ...optimizer },
    schedule: { ...noSchedule, ...schedule },
    augmentation: { randomResizedCrop: null, ...augmentation },
  })
  expect(spec).toMatchObject({ ...rest, shards, optimizer, schedule, augmentation })
})

test('nothing asked for of a long run: SGD warms up', async () => {
  const recipe = { learningRate: 0.00625, schedule: { kind: 'CONSTANT', warmUpSteps: 20 } }
  const { shown, spec } = await ask({ epochs: 50 })
  expect(shown).toMatchObject(recipe)
  expect(spec).toMatchObject(recipe)
})

test.each<[input: Record<string, unknown>, shown: Record<string, unknown>]>([
  [{ optimizer: { kind: 'ADAM' } }, { learningRate: 0.001, optimizer: { ...adam, kind: 'ADAM', weightDecay: 0 } }],
  [{ optimizer: { kind: 'ADAMW' } }, { learningRate: 0.001, optimizer: { ...adam, kind: 'ADAMW', weightDecay: 0.01 } }],
  [
    { schedule: { kind: 'COSINE', minimum: 0.001, warmUpSteps: 1 } },
    { schedule: { ...noSchedule, kind: 'COSINE', minimum: 0.001, warmUpSteps: 1 } },
  ],
  [
    { schedule: { kind: 'ONE_CYCLE', peakShare: 0.5 } },
    { schedule: { ...noSchedule, kind: 'ONE_CYCLE', startFactor: 0.04, endFactor: 4e-6, peakShare: 0.5 } },
  ],
  [{ syncBatchNorm: true }, { syncBatchNorm: true }],
  [
    { augmentation: { randomResizedCrop: { minScale: 0.25 } } },
    {
      augmentation: {
        randomCrop: null,
        randomResizedCrop: { minScale: 0.25, maxScale: 1, minRatio: 3 / 4, maxRatio: 4 / 3 },
        horizontalFlip: false,
        cutout: null,
      },
    },
  ],
])('%j', async (input, expected) => {
  expect((await ask(input)).shown).toMatchObject(expected)
})

test('the started event tells of precision, accumulation and memory', async () => {
  const run = await createRun(server.url, { shards: 2, accumulationSteps: 2 })
  instruct(run, 'started', 'finish')
  await collectEvents(server.url, run.id)
  const text = `query ($id: ID!) { run(id: $id) { events(first: 10) { nodes { ... on StartedEvent {
    __typename precision accumulationSteps syncBatchNorm shards memoryBytes } } } } }`
  const { run: seen } = await query<{ run: { events: { nodes: { __typename?: string }[] } } }>(server.url, text, {
    id: run.id,
  })
  expect(seen.events.nodes.filter(({ __typename }) => __typename === 'StartedEvent')).toEqual([
    {
      __typename: 'StartedEvent',
      precision: 'FP32',
      accumulationSteps: 2,
      syncBatchNorm: false,
      shards: 2,
      memoryBytes: String(2 ** 33),
    },
  ])
})
