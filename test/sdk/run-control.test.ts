// Runs that are paused, killed and forked, by real trainers: the weights in the end are those of a run that nothing
// happened to, on one device or two; and what a client is told of it.
import { readFile, rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, type Client, type CreateRunInput, type Run, type RunEvent } from '../../src/sdk/index.ts'
import { lockFile, parseLockRecord } from '../../src/shared/run-directory.ts'
import { startRealServer, temporaryHome, type RealServer } from './real-server.ts'

/** 4 epochs of 4 steps. */
const small: CreateRunInput = {
  dataset: 'shapes',
  trainImages: 64,
  validationImages: 16,
  epochs: 4,
  globalBatch: 16,
  optimizer: { kind: 'ADAM' },
  schedule: { kind: 'COSINE' },
  devices: { names: ['cpu:0'] },
}

let place: Awaited<ReturnType<typeof temporaryHome>>
let server: RealServer
let client: Client
/** Of the run that nothing happened to. */
let reference: Run

beforeAll(async () => {
  place = await temporaryHome()
  server = await startRealServer(place.home)
  client = createClient({ url: server.url })
  reference = await client.waitForRun((await client.createRun(small)).id)
})
afterAll(async () => {
  await client.close()
  await server.stop()
  await place.remove()
})

async function finalWeights(runId: string): Promise<string | undefined> {
  return (await client.checkpoints({ runId, last: 1 })).nodes[0]?.sha256
}

async function untilEvent(id: string, isIt: (event: RunEvent) => boolean): Promise<void> {
  for await (const event of client.runEvents(id)) if (isIt(event)) return
}

test('paused on one device and resumed on two, a run ends in the same bytes', async () => {
  expect(reference.state).toBe('SUCCEEDED')
  const { id } = await client.createRun(small)
  await untilEvent(id, (event) => event.__typename === 'StepEvent' && event.step === 2)
  const running = await client.run(id)
  expect(running).toMatchObject({ state: 'RUNNING', allowedActions: ['PAUSE', 'CANCEL', 'FORK', 'SET_PRIORITY'] })
  await client.pauseRun(id, { expectedVersion: running.version })
  const paused = await client.waitForRun(id, { untilPaused: true })
  expect(paused).toMatchObject({
    state: 'PAUSED',
    pauseReason: 'USER',
    allowedActions: expect.arrayContaining(['RESUME']) as string[],
  })
  expect((await client.devices()).nodes.map(({ state }) => state)).toEqual(['FREE', 'FREE'])

  // Whoever decides by what the run was learns what it is.
  await expect(client.cancelRun(id, { expectedVersion: running.version })).rejects.toMatchObject({
    code: 'CONFLICT',
    currentRun: { id, state: 'PAUSED', version: paused.version },
  })
  await client.resumeRun(id, { devices: { count: 2 }, expectedVersion: paused.version })
  const ended = await client.waitForRun(id)
  expect(ended).toMatchObject({ state: 'SUCCEEDED', attempt: 2 })
  expect(ended.attempts.map(({ deviceNames }) => deviceNames.length)).toEqual([1, 2])
  expect(await finalWeights(id)).toBe(await finalWeights(reference.id))
  const figures = async (runId: string): Promise<unknown> =>
    (await client.epochMetrics(runId)).map(({ epoch, trainLoss, validationLoss, superseded }) => {
      return { epoch, trainLoss, validationLoss, superseded }
    })
  expect(await figures(id)).toEqual(await figures(reference.id))
})

test('a trainer that is killed is tried again, and the run ends in the same bytes', async () => {
  const { id, directory } = await client.createRun({ ...small, retry: { maxAttempts: 2, backoffSeconds: 0 } })
  await untilEvent(id, (event) => event.__typename === 'StepEvent' && event.step === 6)
  const { pid } = parseLockRecord(JSON.parse(await readFile(lockFile(directory, 1), 'utf8')))
  process.kill(pid, 'SIGKILL')
  await untilEvent(id, ({ __typename }) => __typename === 'RetryScheduledEvent')
  expect(await client.waitForRun(id)).toMatchObject({ state: 'SUCCEEDED', attempt: 2, tries: 2 })
  expect(await finalWeights(id)).toBe(await finalWeights(reference.id))
})

test('a fork trains the same on one device and on two, and goes on without its origin', async () => {
  const changes = { epochs: 1, learningRate: 0.0005 }
  const one = await client.forkRun(reference.id, { name: 'fork', changes })
  expect(one).toMatchObject({ name: 'fork', forkedFromId: reference.id, epochs: 1, learningRate: 0.0005 })
  expect(one.initialise).toEqual({ optimizer: true, reinitialise: [], stem: 'AS_IS' })
  const two = await client.forkRun(reference.id, { changes: { ...changes, devices: { count: 2 } } })
  // Neither has begun, or both have: what becomes of the origin's files is nothing to them.
  await rm(`${reference.directory}/checkpoints`, { recursive: true })
  const ended = await Promise.all([client.waitForRun(one.id), client.waitForRun(two.id)])
  expect(ended.map(({ state }) => state)).toEqual(['SUCCEEDED', 'SUCCEEDED'])
  expect(await finalWeights(one.id)).toBe(await finalWeights(two.id))
  const again = await client.forkRun(one.id, { initialWeights: true })
  expect((await client.waitForRun(again.id)).state).toBe('SUCCEEDED')
  expect(await finalWeights(again.id)).toBe(await finalWeights(one.id))
  await expect(client.forkRun(one.id, { changes: { architecture: 'RESNET34' } })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    field: 'changes.architecture',
  })
})
