// The API as a transport: pages, ids, masked errors, limits, and who may come.
import { once } from 'node:events'
import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { RunningServer } from '../../src/server/start.ts'
import {
  collectEvents,
  connect,
  createRun,
  instruct,
  makeFolder,
  post,
  query,
  recordingLog,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  subscribe,
} from './server.ts'

const log = recordingLog()
let home: string
let server: RunningServer
let url: string
/** Oldest first. */
const runIds: string[] = []

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home, { cpuDevices: 5, trainerEntry: scriptedTrainer, log })
  url = server.url
  const runs = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => createRun(url, { name })))
  for (const run of runs) instruct(run, 'started', 'steps 1', 'epoch 1', 'steps 1', 'epoch 2', 'finish')
  await Promise.all(runs.map(({ id }) => collectEvents(url, id)))
  runIds.push(...runs.map(({ id }) => id).sort((a, b) => (decode(a) < decode(b) ? -1 : 1)))
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

const decode = (id: string): string => Buffer.from(id, 'base64').toString()

interface Page {
  nodes: { id: string }[]
  edges: { cursor: string; node: { id: string } }[]
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string | null; endCursor: string | null }
  totalCount: number
}

async function page(field: string, args: Record<string, unknown>): Promise<Page> {
  const text = `query ($first: Int, $after: String, $last: Int, $before: String) {
    page: ${field}(first: $first, after: $after, last: $last, before: $before) {
      nodes { id } edges { cursor node { id } } totalCount
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }`
  return (await query<{ page: Page }>(url, text, args)).page
}

test.each(['runs', 'checkpoints', 'devices', 'datasets'])('%s come in pages, forwards and backwards', async (field) => {
  const all = await page(field, { first: 1000 })
  const ids = all.nodes.map(({ id }) => id)
  expect(all.totalCount).toBe(ids.length)
  expect(all.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
  for (const size of [1, 2, 3]) {
    const forwards: string[] = []
    for (let after: string | null = null; ;) {
      const { nodes, pageInfo } = await page(field, { first: size, after })
      forwards.push(...nodes.map(({ id }) => id))
      after = pageInfo.endCursor
      if (!pageInfo.hasNextPage) break
    }
    expect(forwards).toEqual(ids)
    const backwards: string[] = []
    for (let before: string | null = null; ;) {
      const { nodes, pageInfo } = await page(field, { last: size, before })
      backwards.unshift(...nodes.map(({ id }) => id))
      before = pageInfo.startCursor
      if (!pageInfo.hasPreviousPage) break
    }
    expect(backwards).toEqual(ids)
  }
  const none = await page(field, { first: 0 })
  expect(none.nodes).toEqual([])
  expect(none.pageInfo).toMatchObject({ startCursor: null, endCursor: null, hasNextPage: ids.length > 0 })
})

test('runs come newest first, and by state', async () => {
  expect((await page('runs', {})).nodes.map(({ id }) => id)).toEqual([...runIds].reverse())
  const { runs } = await query<{ runs: { nodes: unknown[]; totalCount: number } }>(
    url,
    '{ runs(states: [QUEUED, FAILED]) { nodes { id } totalCount } }',
  )
  expect(runs).toEqual({ nodes: [], totalCount: 0 })
})

test('both bounds together give what lies between them', async () => {
  const { edges } = await page('runs', {})
  const between = await page('runs', { after: edges[0]?.cursor, before: edges[4]?.cursor })
  expect(between.nodes.map(({ id }) => id)).toEqual(edges.slice(1, 4).map(({ node }) => node.id))
})

test.each([
  [{ first: -1 }, '`first` must be between 0 and 1000; got -1.'],
  [{ last: -5 }, '`last` must be between 0 and 1000; got -5.'],
  [{ first: 1001 }, '`first` must be between 0 and 1000; got 1001.'],
  [{ first: 1, last: 1 }, 'Give `first` or `last`, not both.'],
  [{ after: 'x' }, '`after` is no cursor of this list; got "x".'],
])('%j is refused as the request', async (args, message) => {
  const text =
    'query ($first: Int, $after: String, $last: Int) { checkpoints(first: $first, after: $after, last: $last) { totalCount } }'
  const { errors } = await post(url, text, args)
  expect(errors).toMatchObject([{ message, extensions: { code: 'BAD_USER_INPUT' } }])
})

test('every node is found again by its id, and nothing else is', async () => {
  const { runs, devices, datasets } = await query<Record<string, { nodes: Record<string, { id: string }[]>[] }>>(
    url,
    `{ runs(first: 1) { nodes { id epochMetrics { id } checkpoints { nodes { id } } } }
       devices(first: 1) { nodes { id } } datasets(first: 1) { nodes { id } } }`,
  )
  const ids = JSON.stringify([runs, devices, datasets]).match(/(?<="id":")[^"]+/g) ?? []
  const found = await Promise.all(
    ids.map((id) => query<{ node: unknown }>(url, 'query ($id: ID!) { node(id: $id) { __typename id } }', { id })),
  )
  expect(found.map(({ node }) => node)).toEqual(ids.map((id) => ({ __typename: decode(id).split(':')[0], id })))
  expect(new Set(ids.map((id) => decode(id).split(':')[0]))).toEqual(
    new Set(['Run', 'EpochMetrics', 'Checkpoint', 'Device', 'Dataset']),
  )
  for (const id of [
    '',
    'x',
    'UnVuOg==',
    Buffer.from('Run:none').toString('base64'),
    Buffer.from('Secret:1').toString('base64'),
  ]) {
    expect(await query(url, 'query ($id: ID!) { node(id: $id) { id } }', { id })).toEqual({ node: null })
  }
})

test('a run is found by its bare key too', async () => {
  const key = decode(runIds[0] ?? '').slice('Run:'.length)
  expect(await query(url, 'query ($id: ID!) { run(id: $id) { id } }', { id: key })).toEqual({ run: { id: runIds[0] } })
})

test('an unexpected error is masked for the client and logged whole', async () => {
  // A checkpoint whose run is gone cannot be asked for; a run id with a NUL is what the database itself refuses.
  const { errors } = await post(url, 'query ($id: ID!) { run(id: $id) { id } }', { id: 'a\u0000b' })
  const [error] = errors ?? []
  expect(error?.message).toMatch(/^Unexpected error; the server's log has it under [0-9a-f-]{36}\.$/)
  expect(error?.extensions).toEqual({ code: 'INTERNAL_SERVER_ERROR', reference: expect.any(String) as string })
  expect(log.lines.find((line) => line.includes(String(error?.extensions?.['reference'])))).toContain(
    'invalid byte sequence',
  )
})

test('mistakes in the request are told, over HTTP and over WebSocket', async () => {
  expect((await post(url, '{ nonsense }')).errors).toMatchObject([
    { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } },
  ])
  expect((await post(url, 'query ($id: ID!) { run(id: $id) { id } }')).errors).toMatchObject([
    { message: expect.stringContaining('"$id"') as string, extensions: { code: 'BAD_USER_INPUT' } },
  ])
  const client = connect(url)
  const failed = client.iterate({ query: 'subscription { nonsense }' }).next()
  await expect(failed).rejects.toMatchObject([{ message: expect.stringContaining('nonsense') as string }])
  await client.dispose()
})

test('queries go over the WebSocket as well', async () => {
  const client = connect(url)
  const { value } = (await client.iterate({ query: '{ device(name: "cpu:0") { name } }' }).next()) as { value: unknown }
  expect(value).toEqual({ data: { device: { name: 'cpu:0' } } })
  await client.dispose()
})

test('a client that leaves a subscription holds nothing on the server', async () => {
  const run = await createRun(url)
  const client = connect(url)
  const events = subscribe(client, run.id)
  expect((await events.next()).value).toMatchObject({ __typename: 'QueuedEvent' })
  await events.return()
  await client.dispose()
  instruct(run, 'started', 'finish')
  expect((await collectEvents(url, run.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})

test('a mutation by a form of another site, and a body too large, are refused', async () => {
  const form = await fetch(`${url}/graphql`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' })
  expect(form.status).toBe(400)
  const large = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: `{ ${'x'.repeat(1024 * 1024)} }` }),
  })
  expect(large.status).toBe(413)
  expect(await large.json()).toEqual({
    errors: [{ message: 'request entity too large', extensions: { code: 'BAD_REQUEST' } }],
  })
})

test.each([
  ['http://evil.example', undefined, 403],
  [undefined, 'evil.example', 403],
  ['http://localhost:5173', undefined, 101],
  [undefined, undefined, 101],
])('a WebSocket from origin %s for host %s gets %i', async (origin, host, status) => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
    ...(origin === undefined ? {} : { origin }),
    ...(host === undefined ? {} : { headers: { host } }),
  })
  if (status === 101) {
    await once(socket, 'open')
    socket.close()
  } else {
    const [error] = (await once(socket, 'error')) as [Error]
    expect(error.message).toBe(`Unexpected server response: ${status}`)
  }
})

test('a page of another name that points here gets nothing', async () => {
  const status = await new Promise((resolve, reject) => {
    request(`${url}/healthz`, { headers: { host: 'evil.example' } }, (response) => resolve(response.statusCode))
      .on('error', reject)
      .end()
  })
  expect(status).toBe(403)
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' })
})

test('paths: the root leads to the playground, unknown ones say where the API is', async () => {
  const root = await fetch(url, { redirect: 'manual' })
  expect([root.status, root.headers.get('location')]).toEqual([302, '/playground'])
  const unknown = await fetch(`${url}/nothing`)
  expect(unknown.status).toBe(404)
  expect(await unknown.text()).toContain('/graphql')
})

test('a taken port is a typed error that names it', async () => {
  const other = await makeFolder()
  await expect(startTestServer(other, { port: server.port })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: `The server cannot listen on 127.0.0.1:${server.port}: another program listens there.`,
    fix: expect.stringContaining('TRAINQL_PORT') as string,
  })
  // It let go of its folder, so that the next try may have it.
  const again = await startTestServer(other)
  await again.close()
  await removeFolder(other)
})
