// Every move between two states of a run, legal and not.
import { describe, expect, test } from 'vitest'
import {
  allowedActions,
  canMove,
  isTerminal,
  liveRunStates,
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
   PAUSED>QUEUED PAUSED>CANCELED
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

test('an action is offered where the move that it leads to is legal', () => {
  for (const state of runStates) {
    const actions = allowedActions(state)
    if (actions.includes('RESUME')) expect(canMove(state, 'QUEUED')).toBe(true)
    if (actions.includes('PAUSE')) expect(canMove(state, 'PAUSED') || canMove(state, 'PAUSING')).toBe(true)
    if (actions.includes('CANCEL')) expect(canMove(state, 'CANCELING') || canMove(state, 'CANCELED')).toBe(true)
    expect(actions).toContain('FORK')
  }
})
