// A replica of a real trainer whose thread gets no further: it is named while the others wait for it, and when it goes on its run
// ends as if nothing had been.
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildStaller } from '../../bench/chaos/stall.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { endOf, expectAsUndisturbed } from './run-account.ts'
import { createRun, makeFolder, query, removeFolder, startTestServer, waitForEvent } from './server.ts'
import { trainerPid } from './trainer-pid.ts'

/** Long enough for it to be seen to go on. */
const long = { epochs: 1, trainImages: 1600 }
/** Some beats more than it takes to be told. */
const stallMs = 7_000

let home: string
let server: RunningServer

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home, { cpuDevices: 3, stalledSeconds: 3 })
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

function threadOf(pid: number, replica: number): number {
  const tasks = `/proc/${pid}/task`
  const named = readdirSync(tasks).filter(
    (thread) => readFileSync(`${tasks}/${thread}/comm`, 'utf8').trim() === `replica-${replica}`,
  )
  return Number(named[0])
}

const stallText = `query ($id: ID!) { run(id: $id) { state stall { replica device } } }`
const replicaText = `query ($id: ID!) { run(id: $id) { events(first: 1000) { nodes {
  __typename
  ... on ReplicaStalledEvent { toAttempt replica device }
  ... on ReplicaMovedEvent { toAttempt replica }
} } } }`

test('is named with its device, and the run ends as one in which nothing stood still', async (context) => {
  const staller = await buildStaller(home).catch((error: unknown) =>
    context.skip(`no thread can be stopped from outside here (${String(error)})`),
  )
  const reference = await createRun(server.url, { ...long, devices: { names: ['cpu:2'] } })
  const run = await createRun(server.url, { ...long, devices: { names: ['cpu:0', 'cpu:1'] } })
  await waitForEvent(server.url, run.id, 'StepEvent', 2)
  const stalled = staller.stall(threadOf(trainerPid(run), 1), stallMs)
  await waitForEvent(server.url, run.id, 'ReplicaStalledEvent')
  expect(await query(server.url, stallText, { id: run.id })).toEqual({
    run: { state: 'RUNNING', stall: { replica: 1, device: 'cpu:1' } },
  })
  expect(await stalled).toBe('went on')

  const [account, undisturbed] = [await endOf(server.url, run), await endOf(server.url, reference)]
  const told = await query<{ run: { events: { nodes: { __typename: string }[] } } }>(server.url, replicaText, {
    id: run.id,
  })
  expect(told.run.events.nodes.filter(({ __typename }) => __typename.startsWith('Replica'))).toEqual([
    { __typename: 'ReplicaStalledEvent', toAttempt: 1, replica: 1, device: 'cpu:1' },
    { __typename: 'ReplicaMovedEvent', toAttempt: 1, replica: 1 },
  ])
  expect(await query(server.url, stallText, { id: run.id })).toEqual({ run: { state: 'SUCCEEDED', stall: null } })
  expectAsUndisturbed(account, undisturbed)
})
