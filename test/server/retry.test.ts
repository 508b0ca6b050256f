// Attempts that are tried again: of what may pass, so often as the policy says and no sooner; and what measurements of a
// course that was given up look like. The trainer does what the test says.
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { act, courseOf, killTrainer } from './run-actions.ts'
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
  tryCreateRun,
  waitForEvent,
} from './server.ts'

let home: string
let server: RunningServer

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home, { trainerEntry: scriptedTrainer, cancelGraceMs: 200 })
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

interface View {
  state: string
  attempt: number
  tries: number
  notBefore: string | null
  waitingFor: string | null
  failure: { code: string } | null
  retry: unknown
  attempts: { number: number; deviceNames: string[]; startStep: number | null; releasedAt: string | null }[]
  epochMetrics: { attempt: number; epoch: number; superseded: boolean }[]
}

async function view({ id }: CreatedRun): Promise<View> {
  const { run } = await query<{ run: View }>(
    server.url,
    `query ($id: ID!) { run(id: $id) {
      state attempt tries notBefore waitingFor failure { code }
      retry { maxAttempts backoffSeconds unreachableSeconds stalledSeconds }
      attempts { number deviceNames startStep releasedAt }
      epochMetrics { attempt epoch superseded }
    } }`,
    { id },
  )
  return run
}

test('killed trainers are replaced until the policy is used up, each from the latest checkpoint', async () => {
  const run = await createRun(server.url, {
    devices: { names: ['cpu:0'] },
    retry: { maxAttempts: 2, backoffSeconds: 0 },
  })
  instruct(run, 'started', 'steps 2', 'epoch 1', 'steps 1')
  await waitForEvent(server.url, run.id, 'StepEvent', 3)
  await rm(join(run.directory, 'script.txt'))
  killTrainer(run, 1)
  await waitForEvent(server.url, run.id, 'LeasedEvent', 2)
  instruct(run, 'started')
  await waitForEvent(server.url, run.id, 'StartedEvent', 2)
  expect(await view(run)).toMatchObject({ state: 'RUNNING', attempt: 2, tries: 2, notBefore: null, failure: null })
  killTrainer(run, 2)
  const events = await collectEvents(server.url, run.id)
  expect(events.map(({ __typename }) => __typename.replace('Event', '')).slice(-6)).toEqual([
    ...['Released', 'RetryScheduled', 'Leased', 'Started', 'Released', 'RunEnded'],
  ])
  const ended = await view(run)
  expect(ended).toMatchObject({ state: 'FAILED', attempt: 2, failure: { code: 'TRAINER_DIED' } })
  expect(ended.retry).toEqual({ maxAttempts: 2, backoffSeconds: 0, unreachableSeconds: 600, stalledSeconds: null })
  expect(ended.attempts).toEqual([
    { number: 1, deviceNames: ['cpu:0'], startStep: 0, releasedAt: expect.any(String) as string },
    { number: 2, deviceNames: ['cpu:0'], startStep: 2, releasedAt: expect.any(String) as string },
  ])
})

test('what the run itself is to blame for is not tried again', async () => {
  const run = await createRun(server.url, { retry: { maxAttempts: 5, backoffSeconds: 0 } })
  instruct(run, 'started', 'fail')
  await waitForEvent(server.url, run.id, 'RunEndedEvent')
  expect(await view(run)).toMatchObject({ state: 'FAILED', attempt: 1, failure: { code: 'NON_FINITE_LOSS' } })
})

test('it is not tried again before its time, and can be resumed at once', async () => {
  const run = await createRun(server.url, { retry: { maxAttempts: 3, backoffSeconds: 3600 } })
  instruct(run, 'started')
  await waitForEvent(server.url, run.id, 'StartedEvent')
  killTrainer(run, 1)
  const scheduled = await waitForEvent(server.url, run.id, 'RetryScheduledEvent')
  const waits = await view(run)
  expect(waits).toMatchObject({ state: 'QUEUED', tries: 1, failure: null })
  const waitedMs = Date.parse(waits.notBefore ?? '') - Date.parse(scheduled.at)
  expect(Math.round(waitedMs / 1000)).toBe(3600)
  expect((await courseOf(server.url, run.id)).allowedActions).not.toContain('RESUME')
  await act(server.url, 'PAUSE', run)
  await rm(join(run.directory, 'script.txt'))
  instruct(run, 'started', 'finish')
  await act(server.url, 'RESUME', run)
  expect((await collectEvents(server.url, run.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(await view(run)).toMatchObject({ attempt: 2, tries: 1, notBefore: null })
})

test.each([
  [{ maxAttempts: 0 }, 'retry.maxAttempts'],
  [{ maxAttempts: 2, backoffSeconds: -1 }, 'retry.backoffSeconds'],
])('a policy %o is refused', async (retry, field) => {
  expect(await tryCreateRun(server.url, { retry })).toMatchObject({ __typename: 'InvalidInputFailure', field })
})

test('gone on with from an earlier checkpoint, what was measured behind it stays and says that it is superseded', async () => {
  const run = await createRun(server.url, { epochs: 3 })
  instruct(run, 'started', 'steps 2', 'epoch 1', 'steps 2', 'epoch 2', 'fail')
  await waitForEvent(server.url, run.id, 'RunEndedEvent')
  expect((await view(run)).epochMetrics.map(({ superseded }) => superseded)).toEqual([false, false])
  await rm(join(run.directory, 'script.txt'))
  instruct(run, 'started', 'steps 4', 'epoch 2', 'finish')
  await act(server.url, 'RESUME', { id: run.id, checkpoint: `${basename(run.directory)}/1-00000002` })
  expect((await collectEvents(server.url, run.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect((await view(run)).epochMetrics).toEqual([
    { attempt: 1, epoch: 1, superseded: false },
    { attempt: 1, epoch: 2, superseded: true },
    { attempt: 2, epoch: 2, superseded: false },
  ])
})
