// The database goes away while the server runs, and comes back: trainers run on, the API says so by a typed error,
// subscribers miss nothing, and what happened meanwhile is taken over once.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { lockFile } from '../../src/shared/run-directory.ts'
import { type FragilePostgres, startFragilePostgres } from './fixtures/fragile-postgres.ts'
import {
  collectEvents,
  createRun,
  type CreatedRun,
  instruct,
  makeFolder,
  post,
  query,
  recordingLog,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  type SubscribedEvent,
  waitForEvent,
} from './server.ts'

let home: string
let server: RunningServer | undefined
let postgres: FragilePostgres | undefined

beforeEach(async () => {
  home = await makeFolder()
})
afterEach(async () => {
  await server?.close()
  await postgres?.close()
  server = postgres = undefined
  await removeFolder(home)
})

const steps = (events: SubscribedEvent[]): number[] => events.flatMap(({ step }) => (step === undefined ? [] : [step]))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)
const away = {
  message: expect.stringContaining('The database is away') as string,
  extensions: {
    code: 'DATABASE_UNAVAILABLE',
    fix: 'Ask again in a moment; after a mutation look first whether it was carried out.',
    retryAfterMs: 1_000,
  },
}
const createText = 'mutation ($input: CreateRunInput!) { createRun(input: $input) { __typename } }'
const input = { dataset: 'shapes', epochs: 1, trainImages: 64, validationImages: 32, globalBatch: 16 }

async function errorsOf(text: string, variables: Record<string, unknown> = {}): Promise<unknown> {
  return (await post(server?.url ?? '', text, variables)).errors
}

function kill({ directory }: CreatedRun): void {
  process.kill((JSON.parse(readFileSync(lockFile(directory, 1), 'utf8')) as { pid: number }).pid, 'SIGKILL')
}

async function started(url: string, devices: Record<string, unknown>): Promise<CreatedRun> {
  const run = await createRun(url, { devices })
  instruct(run, 'started', 'steps 3')
  await waitForEvent(url, run.id, 'StepEvent', 3)
  return run
}

test('PostgreSQL drops its connections and is away for a while', async () => {
  postgres = await startFragilePostgres(join(home, 'postgres'))
  const log = recordingLog()
  const settings = { databaseUrl: postgres.url, trainerEntry: scriptedTrainer, cpuDevices: 3, log }
  const { url } = (server = await startTestServer(home, settings))
  const [going, dying, canceled] = [
    await started(url, { names: ['cpu:0'] }),
    await started(url, { names: ['cpu:1'] }),
    await started(url, { names: ['cpu:2'] }),
  ]
  const waiting = await createRun(url, { devices: { names: ['cpu:1'] } })
  const seen = [going, dying, canceled, waiting].map(({ id }) => collectEvents(url, id))

  await postgres.goAway()
  expect(await errorsOf('{ runs { totalCount } }')).toMatchObject([{ ...away, path: ['runs'] }])
  expect(await errorsOf(createText, { input })).toMatchObject([away])
  const cancelText = 'mutation ($id: ID!) { cancelRun(id: $id) { __typename } }'
  expect(await errorsOf(cancelText, { id: canceled.id })).toMatchObject([away])
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  instruct(going, 'steps 20', 'epoch 1', 'steps 2')
  kill(dying)

  await postgres.comeBack()
  instruct(going, 'steps 1', 'finish')
  await waitForEvent(url, waiting.id, 'LeasedEvent')
  expect(await query(url, cancelText, { id: canceled.id })).toEqual({ cancelRun: { __typename: 'CancelRunSuccess' } })
  instruct(waiting, 'started', 'steps 1', 'finish')
  const [goingEvents = [], dyingEvents = [], canceledEvents = [], waitingEvents = []] = await Promise.all(seen)
  expect(steps(goingEvents)).toEqual(upTo(26))
  expect(goingEvents.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(dyingEvents.at(-1)).toMatchObject({ state: 'FAILED', failure: { code: 'TRAINER_DIED' } })
  expect(canceledEvents.at(-1)).toMatchObject({ state: 'CANCELED' })
  expect(waitingEvents.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  for (const [run, events] of [
    [going, goingEvents],
    [dying, dyingEvents],
    [canceled, canceledEvents],
    [waiting, waitingEvents],
  ] as const) {
    expect(events.map(({ cursor }) => cursor)).toHaveLength(new Set(events.map(({ cursor }) => cursor)).size)
    expect(await collectEvents(url, run.id)).toEqual(events)
  }
  const { runs, devices } = await query<Record<string, unknown>>(
    url,
    '{ runs { totalCount } devices { nodes { state } } }',
  )
  expect(runs).toEqual({ totalCount: 4 })
  expect(devices).toEqual({ nodes: Array.from({ length: 3 }, () => ({ state: 'FREE' })) })
  expect(log.lines.filter((line) => /failed/.test(line))).toEqual([])
  expect(log.lines.filter((line) => line.startsWith('The database is'))).toEqual([
    expect.stringMatching(/^The database is away \(.*\); looking for it\. Runs train on\.$/),
    expect.stringMatching(/^The database is back after [\d.]+ s\.$/),
  ])
})

test('the thread of the embedded database dies, again and again, and is started anew', async () => {
  const threads: Worker[] = []
  const remember = (thread: Worker): unknown => threads.push(thread)
  process.on('worker', remember)
  try {
    const log = recordingLog()
    const { url } = (server = await startTestServer(home, { trainerEntry: scriptedTrainer, log }))
    const run = await started(url, { names: ['cpu:0'] })
    const seen = collectEvents(url, run.id)
    for (let round = 1; round <= 3; round += 1) {
      instruct(run, 'steps 10')
      await threads.at(-1)?.terminate()
      instruct(run, 'steps 10')
      await waitForEvent(url, run.id, 'StepEvent', 3 + 20 * round)
      expect(threads).toHaveLength(1 + round)
    }
    instruct(run, 'epoch 1', 'finish')
    const events = await seen
    expect(steps(events)).toEqual(upTo(63))
    expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
    expect(await collectEvents(url, run.id)).toEqual(events)
    expect(log.lines.filter((line) => /is started anew/.test(line))).toHaveLength(3)
  } finally {
    process.off('worker', remember)
  }
})
