// A replica of a real trainer that fails: the others do not wait for it, the run says which it was, and its device answers for it.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { accountOf } from './run-account.ts'
import { collectEvents, createRun, makeFolder, query, removeFolder, startTestServer } from './server.ts'

let home: string
let server: RunningServer

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home)
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

test.each([
  ['batch norm over each shard', {}],
  ['gradients kept until all are there', { clipNorm: 1 }],
  ['batch norm over the global batch', { syncBatchNorm: true }],
])('in its third step, with %s: the run fails by its name', async (_, recipe) => {
  // Trainers are given what this process has.
  vi.stubEnv('TRAINQL_FAULT_REPLICA', '1.3')
  const run = await createRun(server.url, { ...recipe, devices: { count: 2 } })
  const events = await collectEvents(server.url, run.id)
  expect(events.at(-1)).toMatchObject({
    state: 'FAILED',
    failure: {
      code: 'ENGINE_FAILED',
      message: 'Replica 1 on cpu:1 (native) failed: a failure was requested.',
      fix: expect.stringContaining('keep cpu:1 out of use') as string,
      step: 2,
    },
  })
  const account = await accountOf(server.url, run.id)
  expect(account.events.map(({ type }) => type)).toEqual([
    ...['Queued', 'Leased', 'Started', 'Step', 'Step', 'Failed', 'Released', 'RunEnded'],
  ])
  expect(account.events.find(({ type }) => type === 'Released')?.fault).toBe('ENGINE_FAILED')
})

test('the third one in a row had the devices taken out of service', async () => {
  const text = '{ devices { nodes { name state availability } } }'
  expect(await query(server.url, text)).toEqual({
    devices: {
      nodes: ['cpu:0', 'cpu:1'].map((name) => ({ name, state: 'FREE', availability: 'QUARANTINED' })),
    },
  })
})
