// Every action in every state of a run, as the API offers it and as it answers: what is offered is accepted, what is not
// offered is a conflict that says how the run is, and nothing is left of it.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { type RunAction, type RunState, runStates } from '../../src/shared/run-state.ts'
import { act, ask, bringInto, courseOf } from './run-actions.ts'
import {
  createRun,
  type CreatedRun,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  waitForEvent,
} from './server.ts'

/** One on which trainers may be silent, and one on which the scripted ones, which have no heartbeat, soon count as that. */
let homes: string[]
let patient: RunningServer
let strict: RunningServer
let held: CreatedRun

beforeAll(async () => {
  homes = [await makeFolder(), await makeFolder()]
  const options = { trainerEntry: scriptedTrainer, cpuDevices: 3, cancelGraceMs: 600_000 }
  patient = await startTestServer(homes[0]!, options)
  strict = await startTestServer(homes[1]!, { ...options, cancelGraceMs: 50, silentSeconds: 0.5 })
  // Whoever asks for cpu:0 waits.
  held = await createRun(patient.url, { devices: { names: ['cpu:0'] } })
})
afterAll(async () => {
  instruct(held, 'exit 1')
  await waitForEvent(patient.url, held.id, 'RunEndedEvent')
  await Promise.all([patient.close(), strict.close()])
  await Promise.all(homes.map(removeFolder))
})

const actions = ['PAUSE', 'RESUME', 'CANCEL', 'SET_PRIORITY'] as const
const urlFor = (state: RunState): string => (state === 'UNREACHABLE' ? strict.url : patient.url)

/** What a run may be once an action has been accepted. */
const leadsTo: Record<Exclude<RunAction, 'FORK' | 'SET_PRIORITY'>, RunState[]> = {
  PAUSE: ['PAUSING', 'PAUSED'],
  RESUME: ['QUEUED', 'STARTING'],
  CANCEL: ['CANCELING', 'CANCELED'],
}

/** Whatever has become of it, no trainer is left that does not hear. */
async function end(run: CreatedRun, state: RunState): Promise<void> {
  const url = urlFor(state)
  if ((await courseOf(url, run.id)).allowedActions.includes('CANCEL')) await act(url, 'CANCEL', run)
  if (state === 'PAUSING' || state === 'CANCELING') instruct(run, 'exit 143')
  if (!['SUCCEEDED', 'FAILED', 'CANCELED'].includes((await courseOf(url, run.id)).state)) {
    await waitForEvent(url, run.id, 'RunEndedEvent')
  }
}

/** A fork that does not take the device that the test uses. */
async function forkToWait(url: string, id: string): Promise<{ id: string }> {
  const { forkRun } = await query<{ forkRun: { run: { id: string } } }>(
    url,
    `mutation ($id: ID!) {
      forkRun(id: $id, input: { changes: { devices: { names: ["cpu:0", "cpu:1"] } } }) {
        ... on ForkRunSuccess { run { id } }
        ... on Failure { message }
      }
    }`,
    { id },
  )
  return forkRun.run
}

test.each(runStates)(
  '%s accepts what it offers, and answers everything else with a conflict or as it is',
  async (state) => {
    const url = urlFor(state)
    const run = await bringInto(url, state)
    const { allowedActions, version } = await courseOf(url, run.id)
    const refused: string[] = []
    for (const action of actions.filter((one) => !allowedActions.includes(one))) {
      const answer = await ask(url, action, run)
      if (answer.run !== undefined) continue
      refused.push(action)
      expect(answer).toMatchObject({ __typename: 'ConflictFailure', code: 'CONFLICT', currentRun: { state, version } })
      expect(answer.message).toContain(state)
      expect(answer.fix).not.toBe('')
    }
    const asItIs = { PAUSING: ['PAUSE'], PAUSED: ['PAUSE'], CANCELING: ['CANCEL'] }[state as string] ?? []
    expect(refused).toEqual(actions.filter((one) => !allowedActions.includes(one) && !asItIs.includes(one)))
    expect(await courseOf(url, run.id)).toMatchObject({ state, version })

    if (allowedActions.includes('SET_PRIORITY')) {
      expect(await act(url, 'SET_PRIORITY', run)).toMatchObject({ state, priority: 7, version: version + 1 })
    }
    // Any run can be forked, and is none the other for it.
    const { version: before } = await courseOf(url, run.id)
    await act(url, 'CANCEL', await forkToWait(url, run.id))
    expect(await courseOf(url, run.id)).toMatchObject({ state, version: before })
    let next: CreatedRun | null = run
    for (const action of (['PAUSE', 'RESUME', 'CANCEL'] as const).filter((one) => allowedActions.includes(one))) {
      const fresh: CreatedRun = next ?? (await bringInto(url, state))
      next = null
      const { version: asked } = await courseOf(url, fresh.id)
      const after = await act(url, action, { id: fresh.id, expectedVersion: asked })
      expect(leadsTo[action]).toContain(after.state)
      expect(after.version).toBeGreaterThan(asked)
      await end(fresh, state)
    }
    if (next !== null) await end(next, state)
  },
)

test('a run that comes to its end before its trainer hears has ended as it did', async () => {
  for (const [word, state] of [
    ['finish', 'SUCCEEDED'],
    ['fail', 'FAILED'],
  ] as const) {
    const run = await bringInto(patient.url, 'PAUSING')
    instruct(run, word)
    await waitForEvent(patient.url, run.id, 'RunEndedEvent')
    expect(await courseOf(patient.url, run.id)).toMatchObject({ state, pauseReason: null })
  }
})
