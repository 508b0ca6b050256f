// The SDK against the real server and a real training run: typed answers, every event once, also past kills and cuts.
import { createHash } from 'node:crypto'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createClient,
  TrainqlFailure,
  TrainqlGraphqlError,
  type Client,
  type CreateRunInput,
  type RunEvent,
} from '../../src/sdk/index.ts'
import { startProxy } from './proxy.ts'
import { startRealServer, temporaryHome, type RealServer } from './real-server.ts'

/** Small enough for the portable engine: 2 epochs of 4 steps. */
const small: CreateRunInput = {
  dataset: 'shapes',
  trainImages: 64,
  validationImages: 16,
  epochs: 2,
  globalBatch: 16,
  optimizer: { kind: 'ADAM' },
  devices: { count: 1, kind: 'CPU' },
}

let place: Awaited<ReturnType<typeof temporaryHome>>
let server: RealServer
let client: Client

beforeAll(async () => {
  place = await temporaryHome()
  server = await startRealServer(place.home)
  client = createClient({ url: server.url })
})

afterAll(async () => {
  await client.close()
  await server.stop()
  await place.remove()
})

/** Cursors without a repeat, and within each attempt `seq` from 1 without a gap. */
function expectWhole(events: readonly RunEvent[]): void {
  expect(new Set(events.map(({ cursor }) => cursor)).size).toBe(events.length)
  for (const attempt of new Set(events.map((event) => event.attempt))) {
    const numbers = events.filter((event) => event.attempt === attempt).map(({ seq }) => Number(seq))
    expect(numbers).toEqual(numbers.map((_, index) => index + 1))
  }
  expect(events.filter(({ __typename }) => __typename === 'StepEvent')).toHaveLength(8)
  expect(events.at(-1)).toMatchObject({ __typename: 'RunEndedEvent', state: 'SUCCEEDED' })
}

test('tells what the server has', async () => {
  const info = await client.server()
  expect(info.dataDirectory).toBe(place.home)
  expect(info.engines.map(({ name }) => name)).toEqual(['native', 'tfjs'])
  const { nodes, totalCount } = await client.devices()
  expect(totalCount).toBe(2)
  expect(nodes.map(({ name, state }) => [name, state])).toEqual([
    ['cpu:0', 'FREE'],
    ['cpu:1', 'FREE'],
  ])
  expect((await client.device('cpu:1')).id).toBe(nodes[1]?.id)
  expect((await client.dataset('shapes')).classes).toHaveLength(10)
  const summary = await client.modelSummary({ architecture: 'RESNET50' })
  expect(summary).toMatchObject({ parameters: '25557032', multiplyAdds: '4089184256', classes: 1000 })
  expect(summary.layers.at(-1)).toMatchObject({ name: 'fc', kind: 'LINEAR', parameters: '2049000' })
  await expect(client.modelSummary({ shards: 3 })).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'shards' })
  await expect(client.device('cpu:9')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test.each<[string, Partial<CreateRunInput>, string, string | undefined]>([
  ['an unknown dataset', { dataset: 'cats' }, 'DATASET_NOT_FOUND', undefined],
  ['three devices', { devices: { count: 3 } }, 'INVALID_INPUT', 'devices'],
  ['a batch that shards do not divide', { globalBatch: 18 }, 'INVALID_INPUT', 'globalBatch'],
  ['a negative learning rate', { learningRate: -1 }, 'INVALID_INPUT', 'learningRate'],
])('refuses %s with a typed failure and makes no run', async (_, input, code, field) => {
  const error: unknown = await client.createRun({ ...small, ...input }).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TrainqlFailure)
  expect(error).toMatchObject({ code, field })
  expect((error as TrainqlFailure).fix).not.toBe('')
  expect((await client.runs()).totalCount).toBe(0)
})

test('a document the server does not accept is told apart from a failure', async () => {
  const error: unknown = await client.request('{ nothing }').catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TrainqlGraphqlError)
  expect(error).toMatchObject({ code: 'GRAPHQL_VALIDATION_FAILED' })
})

test('plans a run, and tells of one what was expected and what came of it', async () => {
  const { plan, waitingFor } = await client.planRun(small)
  expect(plan).toMatchObject({ parameters: '11175370', steps: 8, basis: null, imagesPerSecond: null, waitSeconds: 0 })
  expect(waitingFor).toBeNull()
  await expect(client.planRun({ ...small, globalBatch: 18 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  await expect(client.runPlan('nowhere')).rejects.toMatchObject({ code: 'NOT_FOUND' })

  const { id } = await client.createRun(small)
  await client.waitForRun(id)
  const { plan: kept, expectedEnd } = await client.runPlan(id)
  const measured = (await client.epochMetrics(id)).map(({ imagesPerSecond }) => imagesPerSecond)
  const mean = measured.reduce((sum, rate) => sum + rate, 0) / measured.length
  expect(expectedEnd).toBeNull()
  expect(kept?.grade).toMatchObject({ imagesPerSecond: { expected: null, actual: mean }, deviceNames: ['cpu:0'] })
  const { plan: next } = await client.planRun(small)
  expect(next).toMatchObject({ basis: 'PAST_RUNS', imagesPerSecond: { expected: mean } })
})

test('a run seen whole over a connection that is cut after every third event', async () => {
  const proxy = await startProxy(server.port)
  const shaky = createClient({ url: proxy.url, retry: { minDelayMs: 1, maxDelayMs: 50 } })
  try {
    const created = await client.createRun({ ...small, name: 'whole' })
    expect(created).toMatchObject({ name: 'whole', dataset: 'shapes', architecture: 'RESNET18', globalBatch: 16 })
    const events: RunEvent[] = []
    for await (const event of shaky.runEvents(created.id)) {
      events.push(event)
      if (events.length % 3 === 0) proxy.cut()
    }
    expectWhole(events)

    const run = await client.waitForRun(created.id)
    expect(run).toMatchObject({ state: 'SUCCEEDED', failure: null, lastCursor: events.at(-1)?.cursor })
    const epochs = await client.epochMetrics(run.id)
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2])
    const last = epochs.at(-1)
    const { perClass, confusionMatrix, ...metrics } = await client.evaluation(last?.id ?? '', { confusions: 1000 })
    expect(metrics).toEqual(last)
    const { classes } = await client.dataset('shapes')
    expect(perClass?.map(({ class: label, name }) => [label, name])).toEqual(
      classes.map((name, label) => [label, name]),
    )
    const count = (values: readonly number[] = []): number => values.reduce((sum, value) => sum + value, 0)
    expect(count(perClass?.map(({ images }) => images))).toBe(16)
    expect(count(perClass?.map(({ correct }) => correct)) / 16).toBe(last?.accuracy)
    expect(last?.top5Accuracy).toBeGreaterThanOrEqual(last?.accuracy ?? NaN)
    expect(confusionMatrix?.rows?.map(count)).toEqual(perClass?.map(({ images }) => images))
    expect(confusionMatrix?.rows?.map((row, label) => row[label])).toEqual(perClass?.map(({ correct }) => correct))
    expect(count(confusionMatrix?.confusions.map(({ images }) => images))).toBe(
      16 - count(perClass?.map(({ correct }) => correct)),
    )
    await expect(client.evaluation(run.id)).rejects.toMatchObject({ name: 'TrainqlFailure', code: 'NOT_FOUND' })
    const { nodes } = await client.checkpoints({ runId: run.id })
    expect(nodes).toHaveLength(2)
    for (const { path, sha256 } of nodes) {
      const weights = await readFile(join(path, 'model.safetensors'))
      expect(createHash('sha256').update(weights).digest('hex')).toBe(sha256)
    }

    // Behind any cursor come exactly the events behind it.
    const middle = events[5]
    const rest: string[] = []
    for await (const { cursor } of client.runEvents(run.id, { after: middle?.cursor ?? null })) rest.push(cursor)
    expect(rest).toEqual(events.slice(6).map(({ cursor }) => cursor))
    for await (const event of client.runEvents(run.id, { after: run.lastCursor })) expect.unreachable(event.cursor)
  } finally {
    await shaky.close()
    await proxy.close()
  }
})

test('one stream over a server that is killed and started again', async () => {
  const { id } = await client.createRun(small)
  const events: RunEvent[] = []
  let kills = 0
  for await (const event of client.runEvents(id)) {
    events.push(event)
    if (event.__typename !== 'StepEvent' || kills > 0) continue
    kills++
    await server.kill()
    server = await startRealServer(place.home, server.port)
  }
  expect(kills).toBe(1)
  expectWhole(events)
  expect(events.map(({ cursor }) => cursor)).toEqual(await cursorsFromTheStart(id))
})

test('a cancelled run ends as CANCELED, and cancelling it again is a conflict', async () => {
  const { id } = await client.createRun({ ...small, epochs: 1000 })
  for await (const event of client.runEvents(id)) {
    if (event.__typename === 'StepEvent') break
  }
  await client.cancelRun(id)
  expect((await client.waitForRun(id)).state).toBe('CANCELED')
  await expect(client.cancelRun(id)).rejects.toMatchObject({ name: 'TrainqlFailure', code: 'CONFLICT' })
  await expect(client.cancelRun('nope')).rejects.toMatchObject({ name: 'TrainqlFailure', code: 'NOT_FOUND' })
  expect((await client.devices()).nodes.map(({ state }) => state)).toEqual(['FREE', 'FREE'])
  expect(await readdir(join(place.home, 'runs'))).toHaveLength(4)
})

async function cursorsFromTheStart(id: string): Promise<string[]> {
  const cursors: string[] = []
  for await (const { cursor } of client.runEvents(id)) cursors.push(cursor)
  return cursors
}
