// Plans of runs on a real server: what past runs tell, what the queue would do, and that asking changes nothing.
import { readdirSync } from 'node:fs'
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
  tryCreateRun,
  waitForEvent,
} from './server.ts'

let home: string
let server: RunningServer
let url: string

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home, { trainerEntry: scriptedTrainer, cancelGraceMs: 300 })
  url = server.url
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

interface Expectation {
  expected: number
  low: number
  high: number
}

interface Plan {
  parameters: string
  flopsPerImage: string | null
  memoryBytesPerDevice: string | null
  memoryBytes: string | null
  stepsPerEpoch: number
  steps: number
  imagesPerSecond: Expectation | null
  durationSeconds: Expectation | null
  basis: string | null
  basedOn: string
  deviceNames: string[]
  waitSeconds: number | null
}

interface Planned {
  __typename: string
  plan: Plan
  expectedStart: string | null
  expectedEnd: string | null
  queuePosition: number | null
  waitingFor: string | null
}

const planFields = `parameters flopsPerImage memoryBytesPerDevice memoryBytes stepsPerEpoch steps
  imagesPerSecond { expected low high } durationSeconds { expected low high } basis basedOn deviceNames waitSeconds`

const small = { dataset: 'shapes', trainImages: 64, validationImages: 32, globalBatch: 16 }

async function planRun(input: Record<string, unknown> = {}): Promise<Planned> {
  const text = `query ($input: CreateRunInput!) { planRun(input: $input) {
    __typename
    ... on PlanRunSuccess { plan { ${planFields} } expectedStart expectedEnd queuePosition waitingFor }
    ... on Failure { code message fix }
    ... on InvalidInputFailure { field }
  } }`
  return (await query<{ planRun: Planned }>(url, text, { input: { ...small, ...input } })).planRun
}

interface Graded extends Plan {
  grade: unknown
}

async function times(id: string): Promise<{ createdAt: number; expectedStart: number; expectedEnd: number }> {
  const text = 'query ($id: ID!) { run(id: $id) { createdAt expectedStart expectedEnd } }'
  const { run } = await query<{ run: Record<string, string> }>(url, text, { id })
  const [createdAt = NaN, expectedStart = NaN, expectedEnd = NaN] = Object.values(run).map((time) => Date.parse(time))
  return { createdAt, expectedStart, expectedEnd }
}

async function keptPlan(id: string): Promise<Plan | null> {
  const text = `query ($id: ID!) { run(id: $id) { plan { ${planFields} } } }`
  return (await query<{ run: { plan: Plan | null } }>(url, text, { id })).run.plan
}

async function train(input: Record<string, unknown> = {}): Promise<string> {
  const run = await createRun(url, input)
  instruct(run, 'started', 'steps 10', 'epoch 1', 'finish')
  await collectEvents(url, run.id)
  return run.id
}

test('before any run: what it computes, and where it would start, and no word of how long it takes', async () => {
  const asked = Date.now()
  const { plan, expectedStart, ...queue } = await planRun({ epochs: 3 })
  const { modelSummary } = await query<{ modelSummary: Record<string, unknown> }>(
    url,
    `{ modelSummary(input: { channels: 1, height: 28, width: 28, classes: 10, globalBatch: 16 }) {
      ... on ModelSummary { parameters trainingFlops memory { replicaBytes totalBytes } }
    } }`,
  )
  expect(modelSummary).toEqual({
    parameters: plan.parameters,
    trainingFlops: plan.flopsPerImage,
    memory: { replicaBytes: plan.memoryBytesPerDevice, totalBytes: plan.memoryBytes },
  })
  expect(plan).toMatchObject({
    parameters: '11175370',
    stepsPerEpoch: 4,
    steps: 12,
    imagesPerSecond: null,
    durationSeconds: null,
    basis: null,
    basedOn: 'no run has been measured yet in FP32 on CPU devices with the engine AUTO',
    deviceNames: ['cpu:0'],
    waitSeconds: 0,
  })
  expect(queue).toEqual({ __typename: 'PlanRunSuccess', expectedEnd: null, queuePosition: null, waitingFor: null })
  expect(Date.parse(expectedStart ?? '')).toBeGreaterThanOrEqual(asked)
})

test.each<[what: string, input: Record<string, unknown>]>([
  ['an unknown dataset', { dataset: 'nowhere' }],
  ['3 devices', { devices: { count: 3 } }],
  ['an unknown device', { devices: { names: ['cpu:9'] } }],
  ['more devices than there are', { devices: { count: 4 } }],
  ['a batch that shards do not divide', { globalBatch: 18 }],
  ['a checkpoint that is not there', { initialise: { checkpoint: 'imported/none' } }],
])('%s is refused with the words of createRun', async (_what, input) => {
  const refused = await planRun(input)
  expect(refused.__typename).toMatch(/Failure$/)
  expect(refused).toEqual(await tryCreateRun(url, input))
})

test('asking for a plan leaves no trace', async () => {
  const rows = `{ runs { totalCount } devices { nodes { name state availability } } }`
  const before = await query(url, rows)
  const folders = readdirSync(join(home, 'runs'))
  await planRun({ devices: { count: 2 } })
  expect(await query(url, rows)).toEqual(before)
  expect(readdirSync(join(home, 'runs'))).toEqual(folders)
})

test('behind a run: as fast as that, and the plan is kept with the next', async () => {
  expect(await keptPlan(await train())).toMatchObject({ basis: null, deviceNames: ['cpu:0'], waitSeconds: 0 })
  const { plan } = await planRun({ epochs: 2 })
  expect(plan).toMatchObject({
    imagesPerSecond: { expected: 100, low: 80, high: 125 },
    basis: 'PAST_RUNS',
    basedOn: 'the latest run of ResNet-18 at 28x28x1, batch 16 in 4 shards, on 1 CPU device',
  })
  const { expected: middle, low, high } = plan.durationSeconds ?? { expected: 0, low: 0, high: 0 }
  // Twice: 4 steps of 16 images at 100 a second, and 0.4 s of validation; checkpoints on top.
  expect(middle).toBeGreaterThanOrEqual(2 * (0.64 + 0.4))
  expect(low).toBeCloseTo(middle - 2 * (0.64 + 0.4) * (1 - 100 / 125), 9)
  expect(high).toBeCloseTo(middle + 2 * (0.64 + 0.4) * (100 / 80 - 1), 9)
  const { plan: other } = await planRun({ architecture: 'RESNET34' })
  expect(other.basis).toBe('PROFILE')
  const [flops, otherFlops] = [plan, other].map(({ flopsPerImage }) => Number(flopsPerImage))
  expect(other.imagesPerSecond?.expected).toBeCloseTo((100 * (flops ?? 0)) / (otherFlops ?? 0), 9)
  expect((await planRun({ engine: 'TFJS' })).plan).toMatchObject({
    basis: null,
    memoryBytes: null,
    memoryBytesPerDevice: null,
  })
})

test('after the end: what was expected beside what happened', async () => {
  const expected = (await planRun()).plan
  const { run } = await query<{ run: { createdAt: string; startedAt: string; finishedAt: string; plan: Graded } }>(
    url,
    `query ($id: ID!) { run(id: $id) { createdAt startedAt finishedAt plan { ${planFields} grade {
      imagesPerSecond { expected actual errorPercent }
      durationSeconds { expected actual errorPercent }
      waitSeconds { expected actual errorPercent }
      deviceNames
    } } } }`,
    { id: await train() },
  )
  const { grade, ...kept } = run.plan
  expect(kept).toEqual(expected)
  const seconds = (Date.parse(run.finishedAt) - Date.parse(run.startedAt)) / 1000
  const { expected: duration } = expected.durationSeconds ?? { expected: 0 }
  expect(grade).toEqual({
    imagesPerSecond: { expected: 100, actual: 100, errorPercent: 0 },
    durationSeconds: {
      expected: duration,
      actual: seconds,
      errorPercent: expect.closeTo((100 * (seconds - duration)) / duration, 6) as number,
    },
    // Nothing was expected, of which nothing is a share.
    waitSeconds: { expected: 0, actual: expect.any(Number) as number, errorPercent: null },
    deviceNames: ['cpu:0'],
  })
})

test('a run that has not begun is graded in nothing, and of one whose speed nobody knows the end is not told', async () => {
  const run = await createRun(url, { engine: 'TFJS' })
  const { run: seen } = await query<{ run: unknown }>(
    url,
    `query ($id: ID!) { run(id: $id) { expectedEnd plan { basis grade {
      imagesPerSecond { expected actual errorPercent } durationSeconds { expected actual errorPercent } deviceNames
    } } } }`,
    { id: run.id },
  )
  const unknown = { expected: null, actual: null, errorPercent: null }
  expect(seen).toEqual({
    expectedEnd: null,
    plan: { basis: null, grade: { imagesPerSecond: unknown, durationSeconds: unknown, deviceNames: ['cpu:0'] } },
  })
  instruct(run, 'started', 'finish')
  await collectEvents(url, run.id)
})

test('where the devices are taken: why it would wait, how long, and for what', async () => {
  const holder = await createRun(url, { devices: { count: 2 }, epochs: 100 })
  instruct(holder, 'started', 'steps 4', 'epoch 1')
  const { at } = await waitForEvent(url, holder.id, 'EpochEvent')
  const next = await createRun(url, { devices: { count: 2 } })
  const { plan, queuePosition, waitingFor, ...expected } = await planRun()
  expect(queuePosition).toBe(2)
  expect(waitingFor).toMatch(
    /^1 CPU device, 0 free: .*\. 1 run is before it; it is expected to start at about .* UTC\.$/,
  )
  expect(plan.deviceNames).toEqual(['cpu:0'])
  // From its last word on: 996 steps of 16 images at 100 a second, and for each of 99 epochs 0.4 s of validation and what
  // past runs took for a checkpoint.
  const { durationSeconds } = (await planRun({ devices: { names: ['cpu:0'] }, epochs: 1 })).plan
  const restSeconds = (durationSeconds?.expected ?? 0) - 0.64 - 0.4
  const { expectedEnd: end } = await times(holder.id)
  expect((end - Date.parse(at)) / 1000).toBeCloseTo(996 * 0.16 + 99 * (0.4 + restSeconds), 1)
  expect((await times(holder.id)).expectedEnd).toBe(end)
  // The next run has all devices before this one.
  expect(Date.parse(expected.expectedStart ?? '')).toBeGreaterThan(end)
  expect(Date.parse(expected.expectedEnd ?? '')).toBeGreaterThan(Date.parse(expected.expectedStart ?? ''))
  const { createdAt, ...queued } = await times(next.id)
  expect(queued.expectedStart).toBe(end)
  // Planned when it had been created.
  const { waitSeconds } = (await keptPlan(next.id)) ?? { waitSeconds: null }
  expect(waitSeconds).toBeGreaterThan(0)
  expect(waitSeconds).toBeLessThanOrEqual((end - createdAt) / 1000)
  instruct(holder, 'finish')
  await waitForEvent(url, next.id, 'LeasedEvent')
  instruct(next, 'started', 'steps 10', 'epoch 1', 'finish')
  await collectEvents(url, next.id)
})

test('a server that is started again knows what past runs measured', async () => {
  const { plan } = await planRun()
  await server.close()
  server = await startTestServer(home, { trainerEntry: scriptedTrainer, cancelGraceMs: 300 })
  url = server.url
  const { deviceNames: _now, ...again } = (await planRun()).plan
  expect(plan).toMatchObject(again)
  expect(again).toMatchObject({ basis: 'PAST_RUNS', imagesPerSecond: { expected: 100 } })
})
