// What tests ask of runs that are there, and how a run is brought into each of its states: by a trainer that the test
// directs.
import { readFileSync } from 'node:fs'
import { lockFile, parseLockRecord } from '../../src/shared/run-directory.ts'
import type { RunAction, RunState } from '../../src/shared/run-state.ts'
import { createRun, type CreatedRun, type Failure, instruct, query, waitForEvent } from './server.ts'

export interface RunCourseView {
  id: string
  state: RunState
  version: number
  allowedActions: RunAction[]
  pauseReason: string | null
  priority: number
}

export interface ConflictView extends Failure {
  currentRun: RunCourseView | null
}

export interface Wish {
  id: string
  expectedVersion?: number
  checkpoint?: string
  devices?: Record<string, unknown>
  priority?: number
}

export type Answered = (ConflictView & { run?: undefined }) | { __typename: string; run: RunCourseView }

const courseFields = 'id state version allowedActions pauseReason priority'

const mutations: Record<Exclude<RunAction, 'FORK'>, { field: string; id: string; variables: string; given: string }> = {
  PAUSE: { field: 'pauseRun', id: 'id', variables: '', given: '' },
  CANCEL: { field: 'cancelRun', id: 'id', variables: '', given: '' },
  RESUME: {
    field: 'resumeRun',
    id: 'runId',
    variables: ', $checkpoint: ID, $devices: DevicesInput',
    given: ', checkpoint: $checkpoint, devices: $devices',
  },
  SET_PRIORITY: { field: 'setRunPriority', id: 'id', variables: ', $priority: Int!', given: ', priority: $priority' },
}

/** Asks for an action; SET_PRIORITY asks for 7 unless told otherwise. */
export async function ask(
  url: string,
  action: keyof typeof mutations,
  { id, expectedVersion, checkpoint, devices, priority = 7 }: Wish,
): Promise<Answered> {
  const { field, id: name, variables, given } = mutations[action]
  const answer = await query<Record<string, Answered>>(
    url,
    `mutation ($id: ID!, $expectedVersion: Int${variables}) {
      ${field}(${name}: $id, expectedVersion: $expectedVersion${given}) {
        __typename
        ... on ${field[0]?.toUpperCase()}${field.slice(1)}Success { run { ${courseFields} } }
        ... on Failure { code message fix }
        ... on ConflictFailure { currentRun { ${courseFields} } }
      }
    }`,
    { id, expectedVersion, checkpoint, devices, priority },
  )
  return answer[field]!
}

/** An action that is accepted. */
export async function act(url: string, action: keyof typeof mutations, wish: Wish): Promise<RunCourseView> {
  const answer = await ask(url, action, wish)
  if (answer.run === undefined) throw new Error(JSON.stringify(answer))
  return answer.run
}

/** SIGKILL to the trainer that owns an attempt. */
export function killTrainer({ directory }: { directory: string }, attempt: number): void {
  const { pid } = parseLockRecord(JSON.parse(readFileSync(lockFile(directory, attempt), 'utf8')))
  process.kill(pid, 'SIGKILL')
}

export async function courseOf(url: string, id: string): Promise<RunCourseView> {
  const { run } = await query<{ run: RunCourseView }>(url, `query ($id: ID!) { run(id: $id) { ${courseFields} } }`, {
    id,
  })
  return run
}

/**
 * Brings a new run into a state, where somebody holds cpu:0. The trainers of PAUSING and CANCELING do not hear and stay there: have them `exit`.
 * UNREACHABLE takes a server on which silence is short.
 */
export async function bringInto(url: string, state: RunState): Promise<CreatedRun> {
  const waits = state === 'QUEUED' || state === 'PAUSED' || state === 'CANCELED'
  const run = await createRun(url, { devices: { names: waits ? ['cpu:0', 'cpu:1'] : ['cpu:2'] } })
  switch (state) {
    case 'QUEUED':
      return run
    case 'PAUSED':
    case 'CANCELED':
      await act(url, state === 'PAUSED' ? 'PAUSE' : 'CANCEL', run)
      return run
    case 'STARTING':
      await waitForEvent(url, run.id, 'LeasedEvent')
      return run
    case 'RUNNING':
      instruct(run, 'started')
      await waitForEvent(url, run.id, 'StartedEvent')
      return run
    case 'PAUSING':
    case 'CANCELING':
      instruct(run, 'deaf', 'started')
      await waitForEvent(url, run.id, 'StartedEvent')
      await act(url, state === 'PAUSING' ? 'PAUSE' : 'CANCEL', run)
      return run
    case 'UNREACHABLE':
      instruct(run, 'started')
      await waitForEvent(url, run.id, 'UnreachableEvent')
      return run
    case 'SUCCEEDED':
    case 'FAILED':
      instruct(run, 'started', state === 'FAILED' ? 'fail' : 'finish')
      await waitForEvent(url, run.id, 'RunEndedEvent')
      return run
    default:
      return state satisfies never
  }
}
