// Deaths: of the trainer, and of the server with a run under way. No event is lost or doubled by any of them.
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { RunningServer } from '../../src/server/start.ts'
import {
  collectEvents,
  connect,
  createRun,
  instruct,
  makeFolder,
  query,
  removeFolder,
  type ServerProcess,
  startServerProcess,
  startTestServer,
  subscribe,
  type SubscribedEvent,
  waitForEvent,
} from './server.ts'
import { isAlive, trainerPid } from './trainer-pid.ts'

/** Of a server of its own, which each test leaves running and with free devices. */
let home: string
let server: ServerProcess

const start = (): Promise<ServerProcess> => startServerProcess(home, { scripted: true })

beforeAll(async () => {
  home = await makeFolder()
  server = await start()
})
afterAll(async () => {
  await server.kill('SIGKILL')
  await removeFolder(home)
})

const steps = (events: SubscribedEvent[]): number[] =>
  events.flatMap(({ __typename, step }) => (__typename === 'StepEvent' && step !== undefined ? [step] : []))
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

test('kill -9 of the server: the run goes on, and a subscriber that comes back sees each event once', async () => {
  const run = await createRun(server.url, { epochs: 2 })
  instruct(run, 'started', 'steps 20')
  const client = connect(server.url)
  const seen: SubscribedEvent[] = []
  for await (const event of subscribe(client, run.id)) {
    seen.push(event)
    if (event.step === 10) break
  }
  await server.kill('SIGKILL')
  const pid = trainerPid(run)
  expect(isAlive(pid)).toBe(true)
  instruct(run, 'steps 30', 'epoch 1')

  server = await start()
  const rest = collectEvents(server.url, run.id, seen.at(-1)?.cursor)
  instruct(run, 'steps 5', 'epoch 2', 'finish')
  const events = [...seen, ...(await rest)]
  expect(steps(events)).toEqual(upTo(55))
  expect(new Set(events.map(({ cursor }) => cursor)).size).toBe(events.length)
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(await collectEvents(server.url, run.id)).toEqual(events)
  expect(isAlive(pid)).toBe(false)
})

test('a trainer that ended while no server ran: its run is ended at the start, and the queue goes on', async () => {
  const [first, second, queued] = [
    await createRun(server.url, { devices: { names: ['cpu:0'] } }),
    await createRun(server.url, { devices: { names: ['cpu:1'] } }),
    await createRun(server.url, { devices: { count: 2 } }),
  ]
  instruct(first, 'started', 'steps 3')
  instruct(second, 'started', 'steps 3')
  await Promise.all([first, second].map(({ id }) => waitForEvent(server.url, id, 'StepEvent', 3)))
  const [firstPid, secondPid] = [trainerPid(first), trainerPid(second)]
  await server.kill('SIGKILL')
  instruct(first, 'steps 1', 'finish')
  process.kill(secondPid, 'SIGKILL')
  await expect.poll(() => isAlive(firstPid) || isAlive(secondPid)).toBe(false)

  server = await start()
  const ends = await Promise.all([first, second].map(({ id }) => collectEvents(server.url, id)))
  expect(steps(ends[0] ?? [])).toEqual(upTo(4))
  expect(ends[0]?.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(ends[1]?.at(-1)).toMatchObject({
    state: 'FAILED',
    failure: {
      code: 'TRAINER_DIED',
      message: expect.stringMatching(/died without an exit record .* after step 3/) as string,
    },
  })
  await waitForEvent(server.url, queued.id, 'LeasedEvent')
  instruct(queued, 'started', 'finish')
  expect((await collectEvents(server.url, queued.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})

test('a database lost is read back from the run directories, cursors and all', async () => {
  const ended = await createRun(server.url, { name: 'ended', devices: { names: ['cpu:0'] } })
  instruct(ended, 'started', 'steps 10', 'epoch 1', 'finish')
  const resumed = await createRun(server.url, { name: 'resumed', devices: { names: ['cpu:1'] } })
  instruct(resumed, 'started', 'steps 2', 'epoch 1', 'fail')
  const failed = await waitForEvent(server.url, resumed.id, 'RunEndedEvent')
  await rm(join(resumed.directory, 'script.txt'))
  instruct(resumed, 'started', 'steps 1', 'epoch 2', 'finish')
  await query(server.url, 'mutation ($id: ID!) { resumeRun(runId: $id) { __typename } }', { id: resumed.id })
  const resumedEvents = await collectEvents(server.url, resumed.id, failed.cursor)
  const running = await createRun(server.url, { name: 'running', devices: { names: ['cpu:0'] } })
  const text = `{ runs { nodes { id name state createdAt startedAt finishedAt progress { epoch step loss } deviceNames
    epochMetrics { epoch accuracy top5Accuracy perClass { name images correct } confusionMatrix { rows } } checkpoints { nodes { id name createdAt parent { name } } } lastCursor } } }`
  const endedEvents = await collectEvents(server.url, ended.id)
  instruct(running, 'started', 'steps 3')
  await waitForEvent(server.url, running.id, 'StepEvent', 3)
  const before = await query<{ runs: { nodes: { epochMetrics: unknown }[] } }>(server.url, text)
  const rows = [
    [5, 1, 2],
    [0, 0, 0],
    [0, 1, 7],
  ]
  expect(before.runs.nodes[2]?.epochMetrics).toMatchObject([{ top5Accuracy: 1, confusionMatrix: { rows } }])
  const client = connect(server.url)
  const seen: SubscribedEvent[] = []
  for await (const event of subscribe(client, running.id)) if (seen.push(event) === 6) break
  await server.kill('SIGKILL')
  await rm(join(home, 'db'), { recursive: true })

  server = await start()
  expect(await query(server.url, text)).toEqual(before)
  expect(await collectEvents(server.url, ended.id)).toEqual(endedEvents)
  expect(await collectEvents(server.url, resumed.id, failed.cursor)).toEqual(resumedEvents)
  expect(resumedEvents.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  instruct(running, 'steps 1', 'finish')
  const events = await collectEvents(server.url, running.id)
  expect(events.slice(0, 6)).toEqual(seen)
  expect(steps(events)).toEqual(upTo(4))
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})

test('SIGTERM leaves trainers running, and a new server takes them up; a cancel under way is carried on', async () => {
  const run = await createRun(server.url)
  instruct(run, 'started', 'deaf', 'steps 2')
  await waitForEvent(server.url, run.id, 'StepEvent', 2)
  await query(server.url, 'mutation ($id: ID!) { cancelRun(id: $id) { __typename } }', { id: run.id })
  await server.kill('SIGTERM')
  expect(readdirSync(home).sort()).toEqual(['checkpoints', 'db', 'runs', 'secret'])
  const pid = trainerPid(run)
  expect(isAlive(pid)).toBe(true)

  const again = await startTestServer(home, { cancelGraceMs: 200 })
  try {
    expect((await collectEvents(again.url, run.id)).at(-1)).toMatchObject({ state: 'CANCELED' })
    expect(isAlive(pid)).toBe(false)
  } finally {
    await again.close()
  }
})

describe('with real trainers', () => {
  let folder: string
  let running: RunningServer
  beforeAll(async () => {
    folder = await makeFolder()
    running = await startTestServer(folder)
  })
  afterAll(async () => {
    await running.close()
    await removeFolder(folder)
  })

  test('kill -9 of one: FAILED with a reason within 5 s, and its devices free', async () => {
    const run = await createRun(running.url, { epochs: 1000, trainImages: 512, globalBatch: 64, devices: { count: 2 } })
    const last = await waitForEvent(running.url, run.id, 'StepEvent', 3)
    const ended = collectEvents(running.url, run.id, last.cursor)
    const killedAt = Date.now()
    process.kill(trainerPid(run), 'SIGKILL')
    const end = (await ended).at(-1)
    expect(end).toMatchObject({
      __typename: 'RunEndedEvent',
      state: 'FAILED',
      failure: { code: 'TRAINER_DIED', nonFinite: false, fix: expect.stringContaining('memory') as string },
    })
    expect(end?.failure?.message).toMatch(/^The trainer process was killed by SIGKILL after step \d+, with /)
    expect(Date.parse(end?.at ?? '') - killedAt).toBeLessThan(5_000)
    const { devices } = await query<{ devices: unknown }>(running.url, '{ devices { nodes { state run { id } } } }')
    expect(devices).toEqual({ nodes: [1, 2].map(() => ({ state: 'FREE', run: null })) })
  })

  test('a server told to stop its trainers leaves none, queued runs included', async () => {
    const first = await createRun(running.url, { epochs: 1000 })
    const second = await createRun(running.url, { devices: { count: 2 } })
    await waitForEvent(running.url, first.id, 'StepEvent')
    const pid = trainerPid(first)
    const socket = new WebSocket(`${running.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
    await once(socket, 'open')
    const closed = once(socket, 'close')
    await running.close()
    // "Service restart": clients of graphql-ws come back by themselves.
    expect((await closed)[0]).toBe(1012)
    expect(isAlive(pid)).toBe(false)

    running = await startTestServer(folder)
    for (const { id } of [first, second]) {
      expect((await collectEvents(running.url, id)).at(-1)).toMatchObject({ state: 'CANCELED' })
    }
  })
})
