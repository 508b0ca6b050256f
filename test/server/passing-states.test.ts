// Every state that is to pass has a time after which it does, also where the server was started while it lasted. Each run is
// written by hand, and its trainer is one that does not do what it should.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { identityOf } from '../../src/shared/process-identity.ts'
import type { RunningServer } from '../../src/server/start.ts'
import {
  collectEvents,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  type SubscribedEvent,
  waitForEvent,
} from './server.ts'
import { type Deed, deeds, writeRun, type WrittenRun } from './written-run.ts'

const { queued, leased, started, step, checkpoint, released } = deeds
const shortly = { unreachableSeconds: 0.5, backoffSeconds: 1 }
const single = { maxAttempts: 1, ...shortly }

let home: string
let server: RunningServer
const sleepers: ChildProcess[] = []
const runs: Record<string, WrittenRun> = {}
let devices = 0

interface Lasting {
  /** Given the device that it holds. */
  course: (device: string) => readonly Deed[]
  /** What its trainers do. */
  script?: string[]
  retry?: Record<string, unknown>
  /** Its trainer lives, says nothing and ignores SIGTERM. */
  deaf?: boolean
}

/** Ignored signals stay ignored by what is executed. */
function startDeaf(): ChildProcess {
  const child = spawn('sh', ['-c', 'trap "" TERM; exec sleep 600'], { stdio: 'ignore', detached: true })
  sleepers.push(child)
  return child
}

function write(name: string, { course, script = [], retry = single, deaf = false }: Lasting): void {
  const device = `cpu:${devices++}`
  const run = writeRun(home, { name, retry, devices: { kind: 'NAMED', names: [device] } })
  run.write(...course(device))
  if (deaf) run.lock(identityOf(startDeaf().pid ?? 0))
  writeFileSync(join(run.directory, 'script.txt'), script.map((line) => `${line}\n`).join(''))
  runs[name] = run
}

const running = (device: string): Deed[] => [queued, leased(device), started, step(1), step(2), checkpoint(1, 2)]
const pausing = (reason: 'USER' | 'YIELD') => (device: string) => [
  ...running(device),
  { type: 'pauseRequested', reason } as const,
]
const retryScheduled = (notBefore: Date): Deed => ({
  ...{ type: 'retryScheduled', code: 'TRAINER_DIED', message: 'It died.', fix: 'Wait.', step: 2 },
  ...{ checkpoint: '1-00000002', notBefore: notBefore.toISOString() },
})
const goesOn = ['started', 'steps 1', 'finish']

beforeAll(async () => {
  home = await makeFolder()
  write('STARTING without a word', { course: () => [queued] })
  write('STARTING with beats alone', { course: () => [queued], script: ['beats'] })
  write('RUNNING, then silent', { course: () => [queued], script: ['beats', 'started', 'steps 1', 'mute'] })
  write('QUEUED for its next attempt', {
    course: () => [queued],
    retry: { maxAttempts: 2, ...shortly },
    script: ['started', 'steps 1', 'once exit 5', 'finish'],
  })
  write('STARTING', { course: (device) => [queued, leased(device)], deaf: true })
  write('PAUSING for a user', { course: pausing('USER'), deaf: true })
  write('PAUSING to yield', { course: pausing('YIELD'), deaf: true, script: goesOn })
  write('CANCELING', { course: (device) => [...running(device), { type: 'cancelRequested' }], deaf: true })
  write('UNREACHABLE', {
    course: (device) => [...running(device), { type: 'unreachable', toAttempt: 1, silentSeconds: 9 }],
    deaf: true,
  })
  write('UNREACHABLE, to be tried again', {
    course: (device) => [...running(device), { type: 'unreachable', toAttempt: 1, silentSeconds: 9 }],
    retry: { maxAttempts: 2, ...shortly },
    deaf: true,
    script: goesOn,
  })
  // The clock has been set back since, by centuries: it waits for as long as its policy says, and no longer.
  write('QUEUED until a time', {
    course: (device) => [...running(device), released(device), retryScheduled(new Date('2300-01-01T00:00:00Z'))],
    retry: { maxAttempts: 2, ...shortly },
    script: goesOn,
  })
  server = await startTestServer(home, {
    trainerEntry: scriptedTrainer,
    cpuDevices: devices,
    cancelGraceMs: 300,
    silentSeconds: 2.5,
    startSeconds: 3,
  })
})
afterAll(async () => {
  await server.close()
  for (const child of sleepers) child.kill('SIGKILL')
  await removeFolder(home)
})

async function idOf(name: string): Promise<string> {
  const text = 'query ($id: ID!) { run(id: $id) { id } }'
  const { run } = await query<{ run: { id: string } }>(server.url, text, { id: runs[name]?.id })
  return run.id
}
const eventsOf = async (name: string): Promise<SubscribedEvent[]> => collectEvents(server.url, await idOf(name))
const lastTypes = (events: SubscribedEvent[], count: number): string[] =>
  events.slice(-count).map(({ __typename }) => __typename.replace('Event', ''))

test.each([
  ['STARTING without a word', 'TRAINER_UNREACHABLE', ['Leased', 'Unreachable', 'Released', 'RunEnded']],
  ['STARTING with beats alone', 'TRAINER_STALLED', ['Leased', 'Released', 'RunEnded']],
  ['RUNNING, then silent', 'TRAINER_UNREACHABLE', ['Step', 'Unreachable', 'Released', 'RunEnded']],
  ['STARTING', 'TRAINER_UNREACHABLE', ['Leased', 'Unreachable', 'Released', 'RunEnded']],
  ['UNREACHABLE', 'TRAINER_UNREACHABLE', ['Unreachable', 'Released', 'RunEnded']],
])('%s, a run fails in the end with %s', async (name, code, types) => {
  const events = await eventsOf(name)
  expect(lastTypes(events, types.length)).toEqual(types)
  expect(events.at(-1)).toMatchObject({ state: 'FAILED', failure: { code } })
})

test('the one that did not begin says so, for how long, and what to do', async () => {
  expect((await eventsOf('STARTING with beats alone')).at(-1)?.failure).toEqual({
    code: 'TRAINER_STALLED',
    message: expect.stringMatching(
      /^The trainer lives and did not begin to train: for [\d.]+ s it told nothing of its start\.$/,
    ) as string,
    fix: expect.stringContaining('log.txt') as string,
    step: null,
    nonFinite: false,
  })
})

test('CANCELING, a run is canceled in the end', async () => {
  const events = await eventsOf('CANCELING')
  expect(lastTypes(events, 3)).toEqual(['CancelRequested', 'Released', 'RunEnded'])
  expect(events.at(-1)).toMatchObject({ state: 'CANCELED', failure: null })
})

test('PAUSING, a run is paused in the end, with the checkpoint that it had', async () => {
  const id = await idOf('PAUSING for a user')
  await waitForEvent(server.url, id, 'PausedEvent')
  const text = 'query ($id: ID!) { run(id: $id) { state pauseReason devices { name } } }'
  expect(await query(server.url, text, { id })).toMatchObject({ run: { state: 'PAUSED', pauseReason: 'USER' } })
})

test.each([
  ['PAUSING to yield', ['PauseRequested', 'Released', 'Yielded', 'Leased', 'Started', 'Step', 'Finished']],
  ['UNREACHABLE, to be tried again', ['Released', 'RetryScheduled', 'Leased', 'Started', 'Step', 'Finished']],
  ['QUEUED for its next attempt', ['Released', 'RetryScheduled', 'Leased', 'Started', 'Step', 'Finished']],
  ['QUEUED until a time', ['Released', 'RetryScheduled', 'Leased', 'Started', 'Step', 'Finished']],
])('%s, a run goes on in the end', async (name, types) => {
  const events = await eventsOf(name)
  expect(lastTypes(events, types.length + 2)).toEqual([...types, 'Released', 'RunEnded'])
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})

test('and nothing of it is left: no process, no device', async () => {
  await Promise.all(
    sleepers.map(async (child) => {
      if (child.signalCode === null) await once(child, 'exit')
    }),
  )
  expect(sleepers.map(({ signalCode }) => signalCode)).toEqual(sleepers.map(() => 'SIGKILL'))
  const { devices: all } = await query<{ devices: { nodes: unknown[] } }>(
    server.url,
    '{ devices(first: 100) { nodes { state } } }',
  )
  expect(all.nodes).toEqual(Array.from({ length: devices }, () => ({ state: 'FREE' })))
})
