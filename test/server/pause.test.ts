// Runs that are paused: queued or running, by a trainer that hears and one that does not, over a restart of the server, and
// gone on with from where they were. The trainer does what the test says.
import { appendFileSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { attemptFile } from '../../src/shared/run-directory.ts'
import { act, ask, courseOf } from './run-actions.ts'
import {
  collectEvents,
  createRun,
  type CreatedRun,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  type SubscribedEvent,
  waitForEvent,
} from './server.ts'

let home: string
let server: RunningServer

const start = (): Promise<RunningServer> =>
  startTestServer(home, { trainerEntry: scriptedTrainer, trainersOnExit: 'LEAVE', cancelGraceMs: 200 })

beforeAll(async () => {
  home = await makeFolder()
  server = await start()
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

const types = (events: SubscribedEvent[]): string[] => events.map(({ __typename }) => __typename.replace('Event', ''))
const readAttempt = ({ directory }: CreatedRun, attempt: number): unknown =>
  JSON.parse(readFileSync(attemptFile(directory, attempt), 'utf8'))

/** A trainer begins its script anew: what the attempt before did is not this one's to do. */
async function instructAnew(run: CreatedRun, ...commands: string[]): Promise<void> {
  await rm(join(run.directory, 'script.txt'), { force: true })
  instruct(run, ...commands)
}

async function deviceStates(): Promise<string[]> {
  const { devices } = await query<{ devices: { nodes: { state: string }[] } }>(
    server.url,
    '{ devices { nodes { state } } }',
  )
  return devices.nodes.map(({ state }) => state)
}

test('a running one writes a checkpoint, frees its devices and waits, and goes on from there on others', async () => {
  const run = await createRun(server.url, { epochs: 2, devices: { names: ['cpu:0'] } })
  instruct(run, 'started', 'steps 2', 'epoch 1', 'steps 1')
  await waitForEvent(server.url, run.id, 'StepEvent', 3)
  expect(await act(server.url, 'PAUSE', run)).toMatchObject({ state: 'PAUSING', pauseReason: 'USER' })
  await waitForEvent(server.url, run.id, 'PausedEvent')
  const paused = await courseOf(server.url, run.id)
  expect(paused).toMatchObject({ state: 'PAUSED', pauseReason: 'USER' })
  expect(await deviceStates()).toEqual(['FREE', 'FREE'])

  // Asked for again it is answered, and nothing happens.
  expect(await act(server.url, 'PAUSE', { id: run.id, expectedVersion: paused.version })).toEqual(paused)

  await instructAnew(run, 'started', 'steps 1', 'epoch 2', 'finish')
  const resumed = await act(server.url, 'RESUME', { id: run.id, devices: { names: ['cpu:1', 'cpu:0'] } })
  expect(resumed.pauseReason).toBeNull()
  const events = await collectEvents(server.url, run.id)
  expect(types(events)).toEqual([
    ...['Queued', 'Leased', 'Started', 'Step', 'Step', 'Epoch', 'Checkpoint', 'Step'],
    ...['PauseRequested', 'Stopped', 'Released', 'Paused'],
    ...['ResumeRequested', 'Leased', 'Started', 'Step', 'Epoch', 'Checkpoint', 'Finished', 'Released', 'RunEnded'],
  ])
  expect(readAttempt(run, 2)).toMatchObject({
    devices: [{ name: 'cpu:1' }, { name: 'cpu:0' }],
    resumeFrom: { name: '1-00000002' },
  })
})

test('a queued one is held back at once, while others have their turn, and waits anew when it is resumed', async () => {
  const first = await createRun(server.url, { devices: { count: 2 } })
  const held = await createRun(server.url, { devices: { count: 2 } })
  expect(await act(server.url, 'PAUSE', held)).toMatchObject({ state: 'PAUSED', pauseReason: 'USER' })
  const later = await createRun(server.url, { devices: { count: 2 } })
  instruct(first, 'started', 'finish')
  instruct(later, 'started', 'finish')
  expect((await collectEvents(server.url, later.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect((await courseOf(server.url, held.id)).state).toBe('PAUSED')
  instruct(held, 'started', 'finish')
  await act(server.url, 'RESUME', held)
  expect(types(await collectEvents(server.url, held.id))).toEqual([
    ...['Queued', 'Paused', 'ResumeRequested', 'Leased', 'Started', 'Finished', 'Released', 'RunEnded'],
  ])
  expect(readAttempt(held, 1)).toMatchObject({ resumeFrom: null })
})

test('one whose trainer does not hear is killed after the grace time, and is paused at its latest checkpoint', async () => {
  const run = await createRun(server.url)
  instruct(run, 'deaf', 'started', 'steps 2', 'epoch 1', 'steps 3')
  await waitForEvent(server.url, run.id, 'StepEvent', 5)
  await act(server.url, 'PAUSE', run)
  await waitForEvent(server.url, run.id, 'PausedEvent')
  await instructAnew(run, 'started', 'finish')
  await act(server.url, 'RESUME', run)
  expect((await collectEvents(server.url, run.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(readAttempt(run, 2)).toMatchObject({ resumeFrom: { name: '1-00000002' } })
})

test('paused it stays over a restart, and pausing it is paused by then', async () => {
  const paused = await createRun(server.url)
  instruct(paused, 'started')
  await waitForEvent(server.url, paused.id, 'StartedEvent')
  await act(server.url, 'PAUSE', paused)
  await waitForEvent(server.url, paused.id, 'PausedEvent')
  const pausing = await createRun(server.url)
  instruct(pausing, 'deaf', 'started', 'steps 1', 'epoch 1')
  await waitForEvent(server.url, pausing.id, 'CheckpointEvent')
  await act(server.url, 'PAUSE', pausing)
  await server.close()
  server = await start()
  await waitForEvent(server.url, pausing.id, 'PausedEvent')
  expect((await courseOf(server.url, paused.id)).state).toBe('PAUSED')
  // Ended as what it is: it holds nothing.
  expect(await act(server.url, 'CANCEL', paused)).toMatchObject({ state: 'CANCELED', pauseReason: null })
  expect(await act(server.url, 'CANCEL', pausing)).toMatchObject({ state: 'CANCELED' })
  expect(await deviceStates()).toEqual(['FREE', 'FREE'])
})

test('what is asked of another version than the run is at does not happen, and says how it is', async () => {
  const run = await createRun(server.url)
  instruct(run, 'started')
  await waitForEvent(server.url, run.id, 'StartedEvent')
  const { version } = await courseOf(server.url, run.id)
  // Steps, epochs and checkpoints change nothing that a decision rests on.
  instruct(run, 'steps 2', 'epoch 1')
  await waitForEvent(server.url, run.id, 'CheckpointEvent')
  expect((await courseOf(server.url, run.id)).version).toBe(version)
  await act(server.url, 'SET_PRIORITY', { id: run.id, priority: 3, expectedVersion: version })
  // The same again changes nothing.
  expect(await act(server.url, 'SET_PRIORITY', { id: run.id, priority: 3 })).toMatchObject({ version: version + 1 })
  const before = await courseOf(server.url, run.id)
  for (const action of ['PAUSE', 'CANCEL', 'SET_PRIORITY', 'RESUME'] as const) {
    expect(await ask(server.url, action, { id: run.id, expectedVersion: version })).toEqual({
      __typename: 'ConflictFailure',
      code: 'CONFLICT',
      message: `Expected the run ${basename(run.directory)} at version ${version}; it is at version ${version + 1}, and RUNNING.`,
      fix: 'Read the run again, decide by what it is now, and give that version.',
      currentRun: before,
    })
  }
  expect(await courseOf(server.url, run.id)).toEqual(before)
  expect(await ask(server.url, 'SET_PRIORITY', { id: run.id, priority: 1001 })).toMatchObject({
    __typename: 'InvalidInputFailure',
    message: 'Expected a priority from -1000 to 1000; got 1001.',
  })
  instruct(run, 'finish')
  await waitForEvent(server.url, run.id, 'RunEndedEvent')
})

test('a change of priority has the queue served in another order at once', async () => {
  const holder = await createRun(server.url, { devices: { count: 2 } })
  const early = await createRun(server.url, { devices: { count: 2 } })
  const late = await createRun(server.url, { devices: { count: 2 } })
  const position = async (run: CreatedRun): Promise<unknown> =>
    (await query<{ run: unknown }>(server.url, 'query ($id: ID!) { run(id: $id) { queuePosition } }', { id: run.id }))
      .run
  expect([await position(early), await position(late)]).toEqual([{ queuePosition: 1 }, { queuePosition: 2 }])
  await act(server.url, 'SET_PRIORITY', late)
  expect([await position(early), await position(late)]).toEqual([{ queuePosition: 2 }, { queuePosition: 1 }])
  instruct(holder, 'started', 'finish')
  instruct(late, 'started', 'finish')
  expect((await collectEvents(server.url, late.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  instruct(early, 'started', 'finish')
  const leased = (events: SubscribedEvent[]): string =>
    events.find(({ __typename }) => __typename === 'LeasedEvent')?.at ?? ''
  const [first, second] = [await collectEvents(server.url, late.id), await collectEvents(server.url, early.id)]
  expect(leased(first) < leased(second)).toBe(true)
})

test('an unreachable one is given up for its next attempt, and what its old trainer still writes counts nowhere', async () => {
  await server.close()
  server = await startTestServer(home, {
    ...{ trainerEntry: scriptedTrainer, trainersOnExit: 'LEAVE', cancelGraceMs: 200, silentSeconds: 0.5 },
  })
  const run = await createRun(server.url, { devices: { names: ['cpu:0'] } })
  instruct(run, 'started', 'steps 2', 'epoch 1')
  await waitForEvent(server.url, run.id, 'UnreachableEvent')
  await instructAnew(run, 'started', 'steps 1', 'finish')
  await act(server.url, 'RESUME', run)
  await waitForEvent(server.url, run.id, 'LeasedEvent', 2)
  const checkpoint = { type: 'checkpoint', name: '1-00000099', epoch: 9, step: 99, bytes: 1, sha256: 'x' }
  const identity = { run: basename(run.directory), attempt: 1, seq: 6, at: new Date().toISOString() }
  appendFileSync(join(run.directory, 'events.1.jsonl'), `${JSON.stringify({ ...identity, ...checkpoint })}\n`)
  const events = await collectEvents(server.url, run.id)
  expect(types(events)).toEqual([
    ...['Queued', 'Leased', 'Started', 'Step', 'Step', 'Epoch', 'Checkpoint', 'Unreachable'],
    ...['Released', 'ResumeRequested', 'Leased', 'Started', 'Step', 'Finished', 'Released', 'RunEnded'],
  ])
  expect(readAttempt(run, 2)).toMatchObject({
    resumeFrom: { name: '1-00000002' },
    fence: { attempt: 1, seq: 5 },
    checkpoints: ['1-00000002'],
  })
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})
