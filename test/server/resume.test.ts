// Runs that failed or were canceled go on: as their next attempt, on other devices, over a restart of the server, and as
// one stream of events. The trainer does what the test says.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { eventLine } from '../../src/shared/event-line.ts'
import { attemptFile } from '../../src/shared/run-directory.ts'
import {
  collectEvents,
  connect,
  createRun,
  type CreatedRun,
  type Failure,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  subscribe,
  type SubscribedEvent,
  waitForEvent,
} from './server.ts'

let home: string
let server: RunningServer

const start = (): Promise<RunningServer> =>
  startTestServer(home, { trainerEntry: scriptedTrainer, trainersOnExit: 'LEAVE', cancelGraceMs: 300 })

beforeAll(async () => {
  home = await makeFolder()
  server = await start()
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

interface Wish {
  checkpoint?: string
  devices?: Record<string, unknown>
}

async function tryResume(runId: string, wish: Wish = {}): Promise<Failure & { run?: CreatedRun }> {
  const { resumeRun } = await query<{ resumeRun: Failure & { run?: CreatedRun } }>(
    server.url,
    `mutation ($runId: ID!, $checkpoint: ID, $devices: DevicesInput) {
      resumeRun(runId: $runId, checkpoint: $checkpoint, devices: $devices) {
        __typename
        ... on ResumeRunSuccess { run { id state directory waitingFor deviceNames } }
        ... on Failure { code message fix }
        ... on InvalidInputFailure { field }
      }
    }`,
    { runId, ...wish },
  )
  return resumeRun
}

const readAttempt = ({ directory }: CreatedRun, attempt: number): unknown =>
  JSON.parse(readFileSync(attemptFile(directory, attempt), 'utf8'))

/** A trainer begins its script anew: what the attempt before did is not this one's to do. */
async function instructAnew(run: CreatedRun, ...commands: string[]): Promise<void> {
  await rm(join(run.directory, 'script.txt'), { force: true })
  instruct(run, ...commands)
}

async function failAfter(run: CreatedRun, ...commands: string[]): Promise<void> {
  instruct(run, ...commands, 'fail')
  await waitForEvent(server.url, run.id, 'RunEndedEvent')
}

const steps = (events: SubscribedEvent[]): [attempt: number, step: number][] =>
  events.flatMap(({ __typename, attempt, step }) =>
    __typename === 'StepEvent' && step !== undefined ? [[attempt, step]] : [],
  )

test('a failed run goes on from its latest checkpoint on other devices, and its events are one stream', async () => {
  const run = await createRun(server.url, { epochs: 2 })
  await failAfter(run, 'started', 'steps 2', 'epoch 1', 'steps 1')
  const client = connect(server.url)
  const seen: SubscribedEvent[] = []
  await instructAnew(run, 'started', 'steps 1', 'epoch 2', 'finish')
  const resumed = await tryResume(run.id, { devices: { names: ['cpu:1', 'cpu:0'] } })
  expect(resumed).toMatchObject({ __typename: 'ResumeRunSuccess', run: { id: run.id } })
  // One that follows from the very first event does not stop at the end of the first attempt.
  for await (const event of subscribe(client, run.id)) seen.push(event)
  await client.dispose()

  expect(seen.map(({ __typename }) => __typename.replace('Event', ''))).toEqual([
    ...['Queued', 'Leased', 'Started', 'Step', 'Step', 'Epoch', 'Checkpoint', 'Step', 'Failed', 'Released', 'RunEnded'],
    ...['ResumeRequested', 'Leased', 'Started', 'Step', 'Epoch', 'Checkpoint', 'Finished', 'Released', 'RunEnded'],
  ])
  expect(steps(seen)).toEqual([
    [1, 1],
    [1, 2],
    [1, 3],
    [2, 1],
  ])
  expect(readAttempt(run, 2)).toMatchObject({
    attempt: 2,
    devices: [{ name: 'cpu:1' }, { name: 'cpu:0' }],
    resumeFrom: { name: '1-00000002', sha256: 'ab'.repeat(32) },
    initialFrom: null,
  })
  const { run: view } = await query<{ run: unknown }>(
    server.url,
    `query ($id: ID!) { run(id: $id) { state attempt deviceNames failure { code }
      checkpoints { nodes { name attempt parent { name } classes inputChannels architecture origin pinned hasOptimizer } } } }`,
    { id: run.id },
  )
  const model = { classes: 3, inputChannels: 1, architecture: 'RESNET18', origin: 'RUN' }
  const kept = { pinned: false, hasOptimizer: true, ...model }
  expect(view).toEqual({
    state: 'SUCCEEDED',
    attempt: 2,
    deviceNames: ['cpu:1', 'cpu:0'],
    failure: null,
    checkpoints: {
      nodes: [
        { name: '1-00000002', attempt: 1, parent: null, ...kept },
        { name: '2-00000001', attempt: 2, parent: { name: '1-00000002' }, ...kept },
      ],
    },
  })
})

test('over a restart: late words of an earlier attempt, a resume that waits, and one that was only just written', async () => {
  const late = await createRun(server.url, { devices: { names: ['cpu:0'] } })
  await failAfter(late, 'started', 'steps 2', 'epoch 1')
  const written = await createRun(server.url, { devices: { names: ['cpu:0'] } })
  await failAfter(written, 'started', 'steps 2', 'epoch 1')
  const waiting = await createRun(server.url, { devices: { names: ['cpu:0'] } })
  await failAfter(waiting, 'started', 'steps 2', 'epoch 1')

  await instructAnew(late, 'started', 'steps 1')
  await tryResume(late.id, { devices: { names: ['cpu:1'] } })
  await waitForEvent(server.url, late.id, 'StartedEvent', 2)
  const checkpoint = { type: 'checkpoint', name: '1-00000099', epoch: 9, step: 99, bytes: 1, sha256: 'x' }
  const identity = { run: readRunKey(late), attempt: 1, seq: 7, at: new Date().toISOString() }
  appendFileSync(join(late.directory, 'events.1.jsonl'), `${JSON.stringify({ ...identity, ...checkpoint })}\n`)

  await instructAnew(waiting, 'started', 'finish')
  const { run: queued } = await tryResume(waiting.id, { devices: { names: ['cpu:1'] } })
  expect(queued).toMatchObject({ state: 'QUEUED', waitingFor: expect.stringContaining('cpu:1, held by run') as string })

  await instructAnew(written, 'started', 'finish')
  await server.close()
  expect(existsSync(attemptFile(waiting.directory, 2))).toBe(false)
  // The server died between writing the event and storing it.
  const file = join(written.directory, 'events.server.jsonl')
  const last = JSON.parse(readFileSync(file, 'utf8').trim().split('\n').at(-1) ?? '') as Record<string, unknown>
  const { run, attempt, behind } = last
  const next = { run, attempt, seq: Number(last['seq']) + 1, at: new Date().toISOString(), behind }
  const resume = { type: 'resumeRequested', checkpoint: '1-00000002', devices: null }
  appendFileSync(file, eventLine({ ...next, ...resume }))

  server = await start()
  expect((await collectEvents(server.url, written.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(readAttempt(written, 2)).toMatchObject({ resumeFrom: { name: '1-00000002' } })
  instruct(late, 'finish')
  const events = await collectEvents(server.url, late.id)
  expect(events.filter(({ __typename }) => __typename === 'CheckpointEvent')).toHaveLength(1)
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect((await collectEvents(server.url, waiting.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(readAttempt(waiting, 2)).toMatchObject({ devices: [{ name: 'cpu:1' }], resumeFrom: { name: '1-00000002' } })
})

test('a run canceled before it had a checkpoint starts over; one that is live or has succeeded is not resumed', async () => {
  const run = await createRun(server.url)
  instruct(run, 'started', 'steps 1')
  await waitForEvent(server.url, run.id, 'StepEvent')
  expect(await tryResume(run.id)).toMatchObject({
    __typename: 'ConflictFailure',
    message: expect.stringMatching(/is RUNNING; there is nothing to resume\.$/) as string,
  })
  await query(server.url, 'mutation ($id: ID!) { cancelRun(id: $id) { __typename } }', { id: run.id })
  await waitForEvent(server.url, run.id, 'RunEndedEvent')
  await instructAnew(run, 'started', 'finish')
  expect(await tryResume(run.id)).toMatchObject({ __typename: 'ResumeRunSuccess' })
  await waitForEvent(server.url, run.id, 'RunEndedEvent', 2)
  expect(readAttempt(run, 2)).toMatchObject({ resumeFrom: null })
  expect(await tryResume(run.id)).toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(/has ended \(SUCCEEDED\); there is nothing to resume\.$/) as string,
    fix: 'It has trained all its epochs: fork it, to train on.',
  })
})

test('a checkpoint that is not its own, and devices it cannot have, are refused and leave no trace', async () => {
  const run = await createRun(server.url)
  await failAfter(run, 'started', 'steps 2', 'epoch 1')
  const other = await createRun(server.url)
  await failAfter(other, 'started', 'steps 2', 'epoch 1')
  const before = await collectEvents(server.url, run.id)
  const key = readRunKey(other)
  expect(await tryResume(run.id, { checkpoint: `${key}/1-00000002` })).toMatchObject({
    __typename: 'InvalidInputFailure',
    field: 'checkpoint',
  })
  expect(await tryResume(run.id, { checkpoint: `${readRunKey(run)}/1-00000077` })).toMatchObject({
    __typename: 'NotFoundFailure',
  })
  expect(await tryResume(run.id, { devices: { count: 3 } })).toMatchObject({ field: 'devices' })
  expect(await tryResume(run.id, { devices: { names: ['cpu:7'] } })).toMatchObject({ __typename: 'NotFoundFailure' })
  expect(await collectEvents(server.url, run.id)).toEqual(before)
})

function readRunKey({ directory }: CreatedRun): string {
  return (JSON.parse(readFileSync(join(directory, 'spec.json'), 'utf8')) as { runId: string }).runId
}

test('resumed at the very moment it ends, a run goes on, each time', async () => {
  const run = await createRun(server.url)
  const client = connect(server.url)
  let cursor: string | null = null
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    instruct(run, 'fail')
    for await (const event of subscribe(client, run.id, cursor)) {
      cursor = event.cursor
      if (event.__typename !== 'RunEndedEvent') continue
      await rm(join(run.directory, 'script.txt'))
      expect(await tryResume(run.id)).toMatchObject({ __typename: 'ResumeRunSuccess' })
      break
    }
  }
  instruct(run, 'started', 'finish')
  expect((await collectEvents(server.url, run.id, cursor)).at(-1)).toMatchObject({ attempt: 0, state: 'SUCCEEDED' })
  await client.dispose()
})
