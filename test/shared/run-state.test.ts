// Every move between two states of a run, legal and not.
import { describe, expect, test } from 'vitest'
import {
  allowedActions,
  canMove,
  isAlready,
  isTerminal,
  liveRunStates,
  type RunAction,
  runActions,
  type RunState,
  runStates,
} from '../../src/shared/run-state.ts'

const legal = new Set(
  `QUEUED>STARTING QUEUED>PAUSED QUEUED>CANCELED QUEUED>FAILED
   STARTING>RUNNING STARTING>PAUSING STARTING>CANCELING STARTING>UNREACHABLE STARTING>QUEUED STARTING>SUCCEEDED
   STARTING>FAILED STARTING>CANCELED
   RUNNING>PAUSING RUNNING>CANCELING RUNNING>UNREACHABLE RUNNING>QUEUED RUNNING>SUCCEEDED RUNNING>FAILED
   RUNNING>CANCELED
   PAUSING>PAUSED PAUSING>CANCELING PAUSING>QUEUED PAUSING>SUCCEEDED PAUSING>FAILED
   PAUSED>QUEUED PAUSED>CANCELED PAUSED>FAILED
   CANCELING>CANCELED CANCELING>SUCCEEDED CANCELING>FAILED
   UNREACHABLE>STARTING UNREACHABLE>RUNNING UNREACHABLE>CANCELING UNREACHABLE>QUEUED UNREACHABLE>SUCCEEDED
   UNREACHABLE>FAILED UNREACHABLE>CANCELED
   CANCELED>QUEUED FAILED>QUEUED`.split(/\s+/),
)
const moves = runStates.flatMap((from) => runStates.map((to): [RunState, RunState] => [from, to]))

describe('a run moves', () => {
  test.each(moves)('%s to %s only where that is legal', (from, to) => {
    expect(canMove(from, to)).toBe(legal.has(`${from}>${to}`))
  })
})

test('what has ended is moved by nothing but a resume, and success by nothing', () => {
  for (const state of runStates.filter(isTerminal)) {
    expect(runStates.filter((to) => canMove(state, to))).toEqual(state === 'SUCCEEDED' ? [] : ['QUEUED'])
  }
  expect(liveRunStates).toEqual(runStates.filter((state) => !isTerminal(state)))
})

const offered: Record<RunState, string> = {
  QUEUED: 'PAUSE CANCEL FORK SET_PRIORITY',
  STARTING: 'PAUSE CANCEL FORK SET_PRIORITY',
  RUNNING: 'PAUSE CANCEL FORK SET_PRIORITY',
  PAUSING: 'CANCEL FORK SET_PRIORITY',
  PAUSED: 'RESUME CANCEL FORK SET_PRIORITY',
  CANCELING: 'FORK',
  CANCELED: 'RESUME FORK',
  SUCCEEDED: 'FORK',
  FAILED: 'RESUME FORK',
  UNREACHABLE: 'RESUME CANCEL FORK SET_PRIORITY',
}
const reasonOf = (state: RunState): 'USER' | null => (state === 'PAUSING' || state === 'PAUSED' ? 'USER' : null)

describe('what may be asked of a run', () => {
  test.each(runStates.flatMap((state) => runActions.map((action): [RunState, RunAction] => [state, action])))(
    '%s offers %s only where it says so, and where the move that it leads to is legal',
    (state, action) => {
      const actions = allowedActions({ state, pauseReason: reasonOf(state) })
      expect(actions.includes(action)).toBe(offered[state].split(' ').includes(action))
      const leadsTo: Record<RunAction, RunState[]> = {
        ...{ PAUSE: ['PAUSED', 'PAUSING'], RESUME: ['QUEUED'], CANCEL: ['CANCELING', 'CANCELED'] },
        ...{ FORK: [], SET_PRIORITY: [] },
      }
      const ends = leadsTo[action]
      if (actions.includes(action) && ends.length > 0) expect(ends.some((to) => canMove(state, to))).toBe(true)
    },
  )

  test.each(['PAUSING', 'PAUSED'] as const)('%s by the server may be made a pause of the user', (state) => {
    for (const pauseReason of ['DRAIN', 'YIELD'] as const) {
      expect(allowedActions({ state, pauseReason })).toEqual(['PAUSE', ...offered[state].split(' ')])
      expect(isAlready('PAUSE', { state, pauseReason })).toBe(false)
    }
  })

  test('a run is already as an action would have it in few states, and never where it is offered', () => {
    const found = runStates.flatMap((state) =>
      runActions.flatMap((action) => {
        const course = { state, pauseReason: reasonOf(state) }
        if (!isAlready(action, course)) return []
        expect(allowedActions(course)).not.toContain(action)
        return [`${action} ${state}`]
      }),
    )
    expect(found).toEqual(['PAUSE PAUSING', 'PAUSE PAUSED', 'CANCEL CANCELING'])
  })
})
