// A server that is stopped: whom it tells what, what becomes of its trainers, and how the next one goes on.
import { once } from 'node:events'
import { type IncomingMessage, request as startRequest } from 'node:http'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClient as createSocketClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { createClient, type Reconnect, type RunEvent, TrainqlNetworkError } from '../../src/sdk/index.ts'
import type { RunningServer } from '../../src/server/start.ts'
import {
  collectEvents,
  createRun,
  instruct,
  makeFolder,
  removeFolder,
  scriptedTrainer,
  type ServerProcess,
  startServerProcess,
  startTestServer,
  tryCreateRun,
  waitForEvent,
} from './server.ts'
import { isAlive, trainerPid } from './trainer-pid.ts'

let home: string
let server: ServerProcess | undefined
let running: RunningServer | undefined

beforeEach(async () => {
  home = await makeFolder()
})
afterEach(async () => {
  await server?.kill('SIGKILL')
  await running?.close()
  server = running = undefined
  await removeFolder(home)
})

async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  await once(socket, 'open')
  return socket
}

const parseGoodbye = ([code, reason]: unknown[]): { code: unknown; reason: unknown } => ({
  code,
  reason: JSON.parse(String(reason)) as unknown,
})

test('sockets are told when to come back, one after the other; who comes late is told so; who was there is served', async () => {
  running = await startTestServer(home)
  const { url, port } = running
  const sockets = [await openSocket(url), await openSocket(url)]
  const goodbyes = sockets.map((socket) => once(socket, 'close'))
  const headers = { 'content-type': 'application/json', 'content-length': '25', expect: '100-continue' }
  const begun = startRequest({ host: '127.0.0.1', port, path: '/graphql', method: 'POST', headers })
  begun.flushHeaders()
  await once(begun, 'continue')

  const closed = running.close()
  const message = 'The server is stopping.'
  expect((await Promise.all(goodbyes)).map(parseGoodbye)).toEqual(
    [1000, 1500].map((retryAfterMs) => ({ code: 1012, reason: { message, retryAfterMs } })),
  )
  const late = await fetch(`${url}/graphql?query={__typename}`)
  expect({ status: late.status, after: late.headers.get('retry-after'), body: await late.json() }).toEqual({
    status: 503,
    after: '1',
    body: {
      errors: [
        {
          message: 'The server is stopping. Ask again once it is back.',
          extensions: { code: 'SERVICE_UNAVAILABLE', retryAfterMs: 1000 },
        },
      ],
    },
  })
  const upgrade = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const [, refusal] = (await once(upgrade, 'unexpected-response')) as [unknown, { statusCode: number; headers: object }]
  expect(refusal).toMatchObject({ statusCode: 503, headers: { 'retry-after': '1' } })
  await using client = createClient({ url })
  await expect(client.server()).rejects.toMatchObject({ code: 'NETWORK', status: 503, retryAfterMs: 1000 })

  const answered = once(begun, 'response')
  begun.end('{"query":"{__typename}" }')
  const [response] = (await answered) as [IncomingMessage]
  expect(response.statusCode).toBe(200)
  expect(await text(response)).toBe('{"data":{"__typename":"Query"}}\n')
  await closed
  await expect(client.server()).rejects.toBeInstanceOf(TrainqlNetworkError)
})

test('a client that answers no goodbye does not hold the server up', async () => {
  running = await startTestServer(home)
  const socket = await openSocket(running.url)
  socket.pause()
  await running.close()
  expect(socket.readyState).toBe(WebSocket.OPEN)
  socket.terminate()
})

test('while a server drains it takes no runs and shows those that leave; a deaf trainer is killed after the grace time', async () => {
  const options = { trainerEntry: scriptedTrainer, trainersOnExit: 'DRAIN', cancelGraceMs: 700 } as const
  running = await startTestServer(home, options)
  const { url } = running
  const run = await createRun(url, { devices: { count: 2 } })
  instruct(run, 'started', 'deaf', 'steps 2', 'epoch 1')
  await waitForEvent(url, run.id, 'CheckpointEvent')
  const queued = await createRun(url)
  const pid = trainerPid(run)
  const closed = running.close()
  await waitForEvent(url, run.id, 'PauseRequestedEvent')
  expect(await tryCreateRun(url, {})).toMatchObject({
    __typename: 'ConflictFailure',
    message: 'The server is stopping and takes no more runs.',
  })
  const health = await fetch(`${url}/healthz`)
  expect([health.status, await health.json()]).toEqual([503, { status: 'stopping' }])
  await closed
  expect(isAlive(pid)).toBe(false)

  await rm(join(run.directory, 'script.txt'))
  instruct(run, 'started', 'steps 1', 'finish')
  running = await startTestServer(home, options)
  // In its old place: before the run that was queued all along.
  const first = await waitForEvent(running.url, queued.id, 'LeasedEvent')
  instruct(queued, 'started', 'finish')
  const events = await collectEvents(running.url, run.id)
  expect(events.slice(6).map(({ __typename }) => __typename.replace('Event', ''))).toEqual([
    ...['Checkpoint', 'PauseRequested', 'Released', 'Paused', 'ResumeRequested', 'Leased', 'Started', 'Step'],
    ...['Finished', 'Released', 'RunEnded'],
  ])
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(Date.parse(first.at)).toBeGreaterThanOrEqual(Date.parse(events.at(-2)?.at ?? ''))
  expect((await collectEvents(running.url, queued.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})

test('a second signal ends a server that drains at once; the next one does the rest', async () => {
  const environment = { TRAINQL_DRAIN_ON_EXIT: '1' }
  server = await startServerProcess(home, { scripted: true, environment })
  const run = await createRun(server.url)
  instruct(run, 'started', 'deaf', 'steps 2', 'epoch 1')
  await waitForEvent(server.url, run.id, 'CheckpointEvent')
  server.child.kill('SIGTERM')
  await waitForEvent(server.url, run.id, 'PauseRequestedEvent')
  expect(await server.kill('SIGINT')).toBe('SIGINT')
  const pid = trainerPid(run)
  expect(isAlive(pid)).toBe(true)

  await rm(join(run.directory, 'script.txt'))
  instruct(run, 'started', 'finish')
  running = await startTestServer(home, { trainerEntry: scriptedTrainer, cancelGraceMs: 100 })
  const events = await collectEvents(running.url, run.id)
  expect(events.slice(7).map(({ __typename }) => __typename.replace('Event', ''))).toEqual([
    ...['PauseRequested', 'Released', 'Paused', 'ResumeRequested', 'Leased', 'Started', 'Finished', 'Released'],
    'RunEnded',
  ])
  expect(isAlive(pid)).toBe(false)
})

test('drained and started again, a run ends in the same bytes, and its subscriber has each event once', async () => {
  const environment = { TRAINQL_DRAIN_ON_EXIT: '1' }
  server = await startServerProcess(home, { environment })
  const { url } = server
  const input = { epochs: 3, trainImages: 256, devices: { count: 2 }, seed: '7' }
  const run = await createRun(url, { ...input, name: 'drained' })
  const undisturbed = await createRun(url, { ...input, name: 'undisturbed' })
  const reconnects: Reconnect[] = []
  await using client = createClient({ url, onReconnect: (reconnect) => reconnects.push(reconnect) })
  const generic = createSocketClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: Infinity,
    shouldRetry: () => true,
  })
  const document = 'subscription ($id: ID!) { runEvents(runId: $id) { ... on RunEvent { cursor } } }'
  const genericEvents = generic.iterate({ query: document, variables: { id: run.id } })
  const seen: RunEvent[] = []
  let restarted: Promise<ServerProcess> | undefined
  for await (const event of client.runEvents(run.id)) {
    seen.push(event)
    if (event.__typename !== 'StepEvent' || event.step !== 5) continue
    await genericEvents.next()
    restarted = server.kill('SIGTERM').then((code) => {
      expect(code).toBe(0)
      expect(isAlive(trainerPid(run))).toBe(false)
      return startServerProcess(home, { environment: { ...environment, TRAINQL_PORT: new URL(url).port } })
    })
  }
  server = await restarted
  expect(seen.at(-1)).toMatchObject({ __typename: 'RunEndedEvent', state: 'SUCCEEDED' })
  const types = seen.map(({ __typename }) => __typename)
  for (const type of ['PauseRequestedEvent', 'PausedEvent', 'ResumeRequestedEvent', 'StoppedEvent'] as const) {
    expect(types.filter((one) => one === type)).toEqual([type])
  }
  expect(reconnects[0]?.reason).toMatchObject({ status: 1012 })
  expect(reconnects[0]?.delayMs).toBeGreaterThanOrEqual(1000)
  expect(seen.map(({ cursor }) => cursor)).toEqual((await collectEvents(url, run.id)).map(({ cursor }) => cursor))
  const steps = seen.flatMap((event) => (event.__typename === 'StepEvent' ? [event.step] : []))
  expect(steps).toEqual(Array.from({ length: 48 }, (_, index) => index + 1))
  // One that knows nothing of us comes back too, and is told the events anew: it asked without a cursor.
  let last: unknown
  for await (const { data } of genericEvents) last = (data as { runEvents: { cursor: string } }).runEvents.cursor
  expect(last).toBe(seen.at(-1)?.cursor)
  await generic.dispose()

  await waitForEvent(url, undisturbed.id, 'RunEndedEvent')
  const weights = async (runId: string) => (await client.checkpoints({ runId, last: 1 })).nodes[0]
  const [drained, reference] = [await weights(run.id), await weights(undisturbed.id)]
  expect(reference).toMatchObject({ step: 48, epoch: 3 })
  expect(drained).toMatchObject({ step: 48, epoch: 3, sha256: reference?.sha256 })
})
