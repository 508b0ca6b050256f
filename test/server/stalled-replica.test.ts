// A replica that does not move is named, seen to move again, and ends the attempt where the run's policy says so.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import {
  collectEvents,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  waitForEvent,
} from './server.ts'
import { deeds, writeRun, type WrittenRun } from './written-run.ts'

let home: string
let server: RunningServer
let patient: WrittenRun
let strict: WrittenRun

function write(devices: string[], stalledSeconds: number | null): WrittenRun {
  const run = writeRun(home, { retry: { stalledSeconds }, devices: { kind: 'NAMED', names: devices } })
  run.write(deeds.queued)
  writeFileSync(join(run.directory, 'script.txt'), 'beats\nstarted\nsteps 3\nstall 70\n')
  return run
}

beforeAll(async () => {
  home = await makeFolder()
  patient = write(['cpu:0', 'cpu:1'], null)
  strict = write(['cpu:2', 'cpu:3'], 65)
  server = await startTestServer(home, { trainerEntry: scriptedTrainer, cpuDevices: 4 })
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

const viewText = `query ($id: ID!) { run(id: $id) { id state devices { state } } }`
const view = (id: string) => query<{ run: { id: string } }>(server.url, viewText, { id })
const eventText = `query ($id: ID!) { run(id: $id) { events(first: 100) { nodes {
  __typename
  ... on ReplicaStalledEvent { toAttempt replica device step stalledSeconds }
  ... on ReplicaMovedEvent { toAttempt replica }
} } } }`

test('it is named with its device and step, and the run goes on when it moves', async () => {
  const { run } = await view(patient.id)
  await waitForEvent(server.url, run.id, 'ReplicaStalledEvent')
  expect(await view(patient.id)).toMatchObject({ run: { state: 'RUNNING' } })
  instruct(patient, 'move')
  await waitForEvent(server.url, run.id, 'ReplicaMovedEvent')
  expect(await view(patient.id)).toMatchObject({ run: { state: 'RUNNING' } })
  instruct(patient, 'finish')
  expect((await collectEvents(server.url, run.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  const found = await query<{ run: { events: { nodes: { __typename: string }[] } } }>(server.url, eventText, {
    id: run.id,
  })
  expect(found.run.events.nodes.filter(({ __typename }) => __typename.startsWith('Replica'))).toEqual([
    {
      __typename: 'ReplicaStalledEvent',
      ...{ toAttempt: 1, replica: 1, device: 'cpu:1', step: 3, stalledSeconds: 70 },
    },
    { __typename: 'ReplicaMovedEvent', toAttempt: 1, replica: 1 },
  ])
})

test('where the policy does not bear it, the attempt ends', async () => {
  const { run } = await view(strict.id)
  const events = await collectEvents(server.url, run.id)
  expect(events.slice(-3).map(({ __typename }) => __typename)).toEqual([
    'ReplicaStalledEvent',
    'ReleasedEvent',
    'RunEndedEvent',
  ])
  expect(events.at(-1)).toMatchObject({
    state: 'FAILED',
    failure: {
      code: 'TRAINER_STALLED',
      message: 'Replica 1 on cpu:3 did not move for 70 s after step 3, and the trainer was ended.',
    },
  })
  expect(await view(strict.id)).toMatchObject({
    run: { state: 'FAILED', devices: [{ state: 'FREE' }, {}] },
  })
})
