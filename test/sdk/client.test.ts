// Requests of the client: what is sent, what comes back typed, and every way it can go wrong.
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import {
  createClient,
  TrainqlFailure,
  TrainqlGraphqlError,
  TrainqlNetworkError,
  type CreateRunInput,
} from '../../src/sdk/index.ts'
import { startEventServer, type EventServer } from './event-server.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function eventServer(): Promise<EventServer> {
  const server = await startEventServer()
  cleanups.push(() => server.close())
  return server
}

/** A server that is not TrainQL. */
async function otherServer(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('expected a rejection'),
    (error: unknown) => error,
  )
}

test('adds the GraphQL path to a bare URL and keeps one that is given', () => {
  expect(createClient({ url: 'http://127.0.0.1:4000' }).url).toBe('http://127.0.0.1:4000/graphql')
  expect(createClient({ url: 'https://host/train/graphql' }).url).toBe('https://host/train/graphql')
})

test.each(['127.0.0.1:4000', 'ws://127.0.0.1:4000', ''])('refuses %j as a URL', (url) => {
  expect(() => createClient({ url })).toThrow(TypeError)
})

test('reads a run, 64-bit numbers as strings', async () => {
  const { url } = await eventServer()
  expect(await createClient({ url }).run('r1')).toMatchObject({
    id: 'r1',
    seed: '9007199254740993',
    deviceNames: ['cpu:0'],
  })
})

test('says NOT_FOUND where the server answers null', async () => {
  const { url } = await eventServer()
  const error = await rejection(createClient({ url }).run('nope'))
  expect(error).toBeInstanceOf(TrainqlFailure)
  expect(error).toMatchObject({ code: 'NOT_FOUND', message: 'There is no run "nope" on this server.' })
})

test('makes a declined mutation an error with code, message, fix and field', async () => {
  const { url } = await eventServer()
  const client = createClient({ url })
  const error = await rejection(client.createRun({ dataset: 'shapes', epochs: 0 }))
  expect(error).toBeInstanceOf(TrainqlFailure)
  expect(error).toMatchObject({
    code: 'INVALID_INPUT',
    message: 'Expected at least 1 epoch; got 0.',
    fix: 'Ask for 1 or more.',
    field: 'epochs',
    type: 'InvalidInputFailure',
  })
  const missing = await rejection(client.cancelRun('nope'))
  expect(missing).toMatchObject({ code: 'NOT_FOUND', type: 'NotFoundFailure', field: undefined })
})

test('makes top-level errors an error that keeps them all', async () => {
  const { url } = await eventServer()
  const client = createClient({ url })
  const error = await rejection(client.createRun({ epochs: 1 } as unknown as CreateRunInput))
  expect(error).toBeInstanceOf(TrainqlGraphqlError)
  expect((error as TrainqlGraphqlError).errors).toHaveLength(1)
  expect((error as TrainqlGraphqlError).message).toContain('dataset')
})

test('sends documents of the caller with variables and headers', async () => {
  const server = await eventServer()
  const client = createClient({ url: server.url, headers: () => ({ authorization: 'Bearer t' }) })
  const data = await client.request<{ run: { state: string } }>('query ($id: ID!) { run(id: $id) { state } }', {
    id: 'r1',
  })
  expect(data).toEqual({ run: { state: 'RUNNING' } })
  expect(server.requests[0]?.headers.authorization).toBe('Bearer t')
  expect(JSON.parse(server.requests[0]?.body ?? '')).toEqual({
    query: 'query ($id: ID!) { run(id: $id) { state } }',
    variables: { id: 'r1' },
  })
})

test.each([
  ['learningRate', 'NaN', { learningRate: NaN }],
  ['optimizer.weightDecay', '-Infinity', { optimizer: { kind: 'SGD', weightDecay: -Infinity } }],
] satisfies [string, string, Partial<CreateRunInput>][])(
  'sends no request whose %s is %s: JSON would ask for the default',
  async (field, got, change) => {
    const server = await eventServer()
    const error = await rejection(createClient({ url: server.url }).createRun({ dataset: 'shapes', ...change }))
    expect(error).toBeInstanceOf(TrainqlFailure)
    expect(error).toMatchObject({
      code: 'INVALID_INPUT',
      field,
      message: `Expected ${field} to be a finite number; got ${got}.`,
      fix: `Look at how ${field} is computed, or leave it out for its default.`,
    })
    expect(server.requests).toEqual([])
  },
)

test('writes a bigint as digits, and leaves dates to themselves', async () => {
  const server = await eventServer()
  const from = new Date('2026-01-02T03:04:05.006Z')
  await createClient({ url: server.url }).request('query { __typename }', {
    input: { seed: 9007199254740993n, list: [1n, 'a', null], from },
  })
  expect(JSON.parse(server.requests[0]?.body ?? '')).toMatchObject({
    variables: { input: { seed: '9007199254740993', list: ['1', 'a', null], from: '2026-01-02T03:04:05.006Z' } },
  })
})

test('names the reason and the next step where nothing listens', async () => {
  const server = await startEventServer()
  await server.close()
  const error = await rejection(createClient({ url: server.url }).server())
  expect(error).toBeInstanceOf(TrainqlNetworkError)
  expect(error).toMatchObject({ code: 'NETWORK', url: `${server.url}/graphql`, status: undefined })
  expect((error as Error).message).toContain('ECONNREFUSED')
  expect((error as TrainqlNetworkError).fix).toContain('trainql start')
})

test.each([
  [404, 'Not found'],
  [502, '<html>Bad gateway</html>'],
  [200, '"text"'],
  [200, '{}'],
])('says that what answers HTTP %i %j is not GraphQL', async (status, body) => {
  const url = await otherServer((_, response) => response.writeHead(status).end(body))
  const error = await rejection(createClient({ url }).server())
  expect(error).toMatchObject({ name: 'TrainqlNetworkError', status })
  expect((error as Error).message).toContain(`HTTP ${status}`)
})

test('reads GraphQL errors of an answer that is not HTTP 200', async () => {
  const body = { errors: [{ message: 'Unknown argument', extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } }] }
  const url = await otherServer((_, response) => response.writeHead(400).end(JSON.stringify(body)))
  expect(await rejection(createClient({ url }).server())).toMatchObject({
    name: 'TrainqlGraphqlError',
    code: 'GRAPHQL_VALIDATION_FAILED',
    message: 'Unknown argument',
  })
})

test('gives up on a server that never answers', async () => {
  const url = await otherServer(() => undefined)
  const error = await rejection(createClient({ url, timeoutMs: 50 }).server())
  expect(error).toMatchObject({ name: 'TrainqlNetworkError', message: `No answer from ${url}/graphql within 0.05 s.` })
})

test('an aborted signal rejects with its reason, before and during a request', async () => {
  const controller = new AbortController()
  const url = await otherServer(() => controller.abort(new Error('enough')))
  const client = createClient({ url })
  await expect(client.server({ signal: controller.signal })).rejects.toThrow('enough')
  await expect(client.server({ signal: controller.signal })).rejects.toThrow('enough')
})
