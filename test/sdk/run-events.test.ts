// Event streams over a bad network: each event once and in order, prompt ends, no socket left.
import { afterEach, expect, test, vi } from 'vitest'
import {
  createClient,
  TrainqlFailure,
  TrainqlNetworkError,
  type Client,
  type ClientOptions,
  type Reconnect,
  type RunEvent,
} from '../../src/sdk/index.ts'
import { startEventServer, type EventServer } from './event-server.ts'
import { startProxy, type Proxy } from './proxy.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function serverOf(options?: Parameters<typeof startEventServer>[0]): Promise<EventServer> {
  const server = await startEventServer(options)
  cleanups.push(() => server.close())
  return server
}

async function proxyTo(server: EventServer): Promise<Proxy> {
  const proxy = await startProxy(server.port)
  cleanups.push(() => proxy.close())
  return proxy
}

function clientOf(url: string, options: Partial<ClientOptions> = {}): Client {
  const client = createClient({ url, retry: { minDelayMs: 1, maxDelayMs: 20 }, ...options })
  cleanups.push(() => client.close())
  return client
}

async function cursorsOf(stream: AsyncIterable<RunEvent>): Promise<string[]> {
  const cursors: string[] = []
  for await (const { cursor } of stream) cursors.push(cursor)
  return cursors
}

test('hands over past and present events, then ends and closes the socket', async () => {
  const server = await serverOf()
  server.emit()
  server.emit()
  const cursors: string[] = []
  for await (const event of clientOf(server.url).runEvents('r1')) {
    cursors.push(event.cursor)
    if (cursors.length === 2) {
      server.emit()
      server.emit('ended')
    }
  }
  expect(cursors).toEqual(['1', '2', '3', '4'])
  await vi.waitFor(() => expect(server.sockets()).toBe(0))
})

test('starts behind a given cursor', async () => {
  const server = await serverOf()
  for (let i = 0; i < 4; i++) server.emit()
  server.emit('ended')
  expect(await cursorsOf(clientOf(server.url).runEvents('r1', { after: '3' }))).toEqual(['4', '5'])
})

test('gives each event once and in order while the connection is cut again and again', async () => {
  const server = await serverOf()
  const proxy = await proxyTo(server)
  const reconnects: Reconnect[] = []
  const client = clientOf(proxy.url, { onReconnect: (reconnect) => reconnects.push(reconnect) })
  const cursors: string[] = []
  for (let i = 0; i < 10; i++) server.emit()
  for await (const { cursor } of client.runEvents('r1')) {
    cursors.push(cursor)
    if (Number(cursor) % 10 === 0 && Number(cursor) < 200) {
      proxy.cut()
      for (let i = 0; i < 10; i++) server.emit()
      if (cursor === '190') server.emit('ended')
    }
  }
  expect(cursors).toEqual(Array.from({ length: 201 }, (_, index) => String(index + 1)))
  expect(reconnects.length).toBeGreaterThanOrEqual(19)
  expect(reconnects[0]).toMatchObject({ runId: 'r1', attempt: 1, after: '10' })
  expect(reconnects[0]?.reason).toBeInstanceOf(TrainqlNetworkError)
})

test.each([1000, 1001, 1011, 1012, 4408])('survives a server that closes the socket with %i', async (code) => {
  const server = await serverOf()
  server.emit()
  const cursors: string[] = []
  let closed = false
  for await (const { cursor } of clientOf(server.url).runEvents('r1')) {
    cursors.push(cursor)
    if (closed) continue
    closed = true
    server.closeSockets(code)
    server.emit()
    server.emit('ended')
  }
  expect(cursors).toEqual(['1', '2', '3'])
  // The second subscription asked behind the last event handed over, not from the start.
  expect(server.asked.slice(0, 2)).toEqual([null, '1'])
})

test('continues when the server completes the stream before the run has ended', async () => {
  const server = await serverOf()
  for (let i = 0; i < 5; i++) server.emit()
  server.emit('ended')
  server.completeAfter(2)
  expect(await cursorsOf(clientOf(server.url).runEvents('r1'))).toEqual(['1', '2', '3', '4', '5', '6'])
})

test('ends at once behind the last event of an ended run', async () => {
  const server = await serverOf()
  server.emit('ended')
  expect(await cursorsOf(clientOf(server.url).runEvents('r1', { after: '1' }))).toEqual([])
  expect(server.asked).toEqual(['1'])
})

test('notices a connection on which nothing passes any more', async () => {
  const server = await serverOf()
  const proxy = await proxyTo(server)
  const client = clientOf(proxy.url, { keepAliveMs: 20, pongTimeoutMs: 100 })
  server.emit()
  const cursors: string[] = []
  for await (const { cursor } of client.runEvents('r1')) {
    cursors.push(cursor)
    if (cursor !== '1') continue
    proxy.freeze()
    server.emit('ended')
  }
  expect(cursors).toEqual(['1', '2'])
})

test('does not try again where the server refuses for good', async () => {
  const server = await serverOf()
  server.emit()
  const stream = clientOf(server.url).runEvents('r1')
  await stream.next()
  server.closeSockets(4403)
  await expect(stream.next()).rejects.toMatchObject({ name: 'TrainqlNetworkError', status: 4403 })
  expect(server.asked).toEqual([null])
})

test('waits for a server that is away and comes back on the same port', async () => {
  const events: [] = []
  const first = await startEventServer({ events })
  first.emit()
  const client = clientOf(first.url)
  const cursors: string[] = []
  for await (const { cursor } of client.runEvents('r1')) {
    cursors.push(cursor)
    if (cursor !== '1') continue
    await first.close()
    first.emit('ended')
    const second = await startEventServer({ port: first.port, events })
    cleanups.push(() => second.close())
  }
  expect(cursors).toEqual(['1', '2'])
})

test('gives up with the last reason after the stated number of attempts', async () => {
  const server = await serverOf()
  const proxy = await proxyTo(server)
  proxy.refuse(true)
  const attempts: number[] = []
  const client = clientOf(proxy.url, {
    retry: { attempts: 3, minDelayMs: 1, maxDelayMs: 1 },
    onReconnect: ({ attempt }) => attempts.push(attempt),
  })
  const error: unknown = await client
    .runEvents('r1')
    .next()
    .catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TrainqlNetworkError)
  expect((error as TrainqlNetworkError).fix).toContain('trainql start')
  expect(attempts).toEqual([1, 2, 3])
})

test('makes a failure in the stream a typed error and does not try again', async () => {
  const server = await serverOf()
  server.fail({ code: 'NOT_FOUND', message: 'There is no run r2.', fix: 'List the runs.' })
  const error: unknown = await clientOf(server.url)
    .runEvents('r2')
    .next()
    .catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(TrainqlFailure)
  expect(error).toMatchObject({
    code: 'NOT_FOUND',
    message: 'There is no run r2.',
    fix: 'List the runs.',
    type: 'NotFoundFailure',
  })
  expect(server.asked).toHaveLength(1)
})

test('break closes the socket', async () => {
  const server = await serverOf()
  server.emit()
  for await (const event of clientOf(server.url).runEvents('r1')) {
    expect(event.cursor).toBe('1')
    break
  }
  await vi.waitFor(() => expect(server.sockets()).toBe(0))
})

test('return() ends a waiting next() and closes the socket', async () => {
  const server = await serverOf()
  server.emit()
  const stream = clientOf(server.url).runEvents('r1')
  await stream.next()
  const waiting = stream.next()
  await stream.return()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  await vi.waitFor(() => expect(server.sockets()).toBe(0))
})

test('an aborted signal rejects a waiting next() with its reason, also during a back-off', async () => {
  const server = await serverOf()
  const proxy = await proxyTo(server)
  proxy.refuse(true)
  const controller = new AbortController()
  const reason = new Error('enough')
  const client = clientOf(proxy.url, {
    retry: { minDelayMs: 60_000, maxDelayMs: 60_000 },
    onReconnect: () => controller.abort(reason),
  })
  await expect(client.runEvents('r1', { signal: controller.signal }).next()).rejects.toBe(reason)
})

test('close() rejects streams and waits, and leaves no socket', async () => {
  const server = await serverOf()
  server.emit()
  const client = clientOf(server.url)
  const stream = client.runEvents('r1')
  await stream.next()
  const waits = [stream.next(), client.waitForRun('r1')].map((promise) => promise.catch((error: unknown) => error))
  await client.close()
  for (const error of await Promise.all(waits)) expect(error).toMatchObject({ message: 'The client was closed.' })
  await expect(client.run('r1')).rejects.toThrow('The client was closed.')
  await vi.waitFor(() => expect(server.sockets()).toBe(0))
})

test('several streams share one socket', async () => {
  const server = await serverOf()
  server.emit()
  const client = clientOf(server.url)
  const streams = [client.runEvents('r1'), client.runEvents('r1'), client.runEvents('r1', { after: '1' })]
  await Promise.all([streams[0]?.next(), streams[1]?.next()])
  expect(server.sockets()).toBe(1)
  server.emit('ended')
  expect(await streams[2]?.next()).toMatchObject({ value: { cursor: '2', state: 'SUCCEEDED' } })
})

test('waitForRun resolves with the run that ended, over a dropped connection', async () => {
  const server = await serverOf()
  const proxy = await proxyTo(server)
  server.emit()
  const done = clientOf(proxy.url).waitForRun('r1')
  await vi.waitFor(() => expect(server.asked).toEqual(['1']))
  proxy.cut()
  server.emit()
  server.emit('ended')
  expect(await done).toMatchObject({ id: 'r1', state: 'SUCCEEDED', lastCursor: '3' })
})
