// The states of a run, the legal moves between them and what a user may ask for in each: pure tables.
import type { PauseReason } from './events.ts'

export const runStates = [
  'QUEUED',
  'STARTING',
  'RUNNING',
  'PAUSING',
  'PAUSED',
  'CANCELING',
  'CANCELED',
  'SUCCEEDED',
  'FAILED',
  'UNREACHABLE',
] as const
export type RunState = (typeof runStates)[number]

const next: Record<RunState, readonly RunState[]> = {
  QUEUED: ['STARTING', 'PAUSED', 'CANCELED', 'FAILED'],
  // QUEUED: the attempt died of what may pass, or gave its devices to a run that was before it.
  STARTING: ['RUNNING', 'PAUSING', 'CANCELING', 'UNREACHABLE', 'QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELED'],
  RUNNING: ['PAUSING', 'CANCELING', 'UNREACHABLE', 'QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELED'],
  // It may have come to its end before it was told.
  PAUSING: ['PAUSED', 'CANCELING', 'QUEUED', 'SUCCEEDED', 'FAILED'],
  // FAILED: its directory is damaged.
  PAUSED: ['QUEUED', 'CANCELED', 'FAILED'],
  CANCELING: ['CANCELED', 'SUCCEEDED', 'FAILED'],
  // Its trainer is silent. It comes back, is found to have ended, or is given up for a next attempt.
  UNREACHABLE: ['STARTING', 'RUNNING', 'CANCELING', 'QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELED'],
  // Resumed.
  CANCELED: ['QUEUED'],
  SUCCEEDED: [],
  FAILED: ['QUEUED'],
}

const terminal: ReadonlySet<RunState> = new Set(['CANCELED', 'SUCCEEDED', 'FAILED'])

/** States of a run that something may still happen to by itself, or that a user holds back. */
export const liveRunStates: readonly RunState[] = runStates.filter((state) => !terminal.has(state))

/** States in which an attempt holds devices. */
export const holdingRunStates = [
  'STARTING',
  'RUNNING',
  'PAUSING',
  'CANCELING',
  'UNREACHABLE',
] as const satisfies readonly RunState[]

export function isHolding(state: RunState): boolean {
  return holdingRunStates.some((holding) => holding === state)
}

export function canMove(from: RunState, to: RunState): boolean {
  return next[from].includes(to)
}

/** It has ended: nothing happens to it any more unless it is resumed. */
export function isTerminal(state: RunState): boolean {
  return terminal.has(state)
}

export const runActions = ['PAUSE', 'RESUME', 'CANCEL', 'FORK', 'SET_PRIORITY'] as const
export type RunAction = (typeof runActions)[number]

const actions: Record<RunState, readonly RunAction[]> = {
  QUEUED: ['PAUSE', 'CANCEL', 'FORK', 'SET_PRIORITY'],
  STARTING: ['PAUSE', 'CANCEL', 'FORK', 'SET_PRIORITY'],
  RUNNING: ['PAUSE', 'CANCEL', 'FORK', 'SET_PRIORITY'],
  PAUSING: ['CANCEL', 'FORK', 'SET_PRIORITY'],
  PAUSED: ['RESUME', 'CANCEL', 'FORK', 'SET_PRIORITY'],
  CANCELING: ['FORK'],
  CANCELED: ['RESUME', 'FORK'],
  SUCCEEDED: ['FORK'],
  FAILED: ['RESUME', 'FORK'],
  UNREACHABLE: ['RESUME', 'CANCEL', 'FORK', 'SET_PRIORITY'],
}

/** Where a run is, as far as it decides what may be asked of it. */
export interface RunCourse {
  state: RunState
  /** Who has it pausing or paused; null in every other state. */
  pauseReason: PauseReason | null
}

/** What a user may ask for. */
export function allowedActions({ state, pauseReason }: RunCourse): readonly RunAction[] {
  // What the server itself holds back a user may hold back for good: it then waits for him alone.
  return isPausedByServer({ state, pauseReason }) ? ['PAUSE', ...actions[state]] : actions[state]
}

/** Whether a run is as an action would have it: asked for again, it is answered and nothing happens. */
export function isAlready(action: RunAction, course: RunCourse): boolean {
  if (action === 'CANCEL') return course.state === 'CANCELING'
  return action === 'PAUSE' && isHeldBack(course) && !isPausedByServer(course)
}

const isHeldBack = ({ state }: RunCourse): boolean => state === 'PAUSING' || state === 'PAUSED'

function isPausedByServer(course: RunCourse): boolean {
  return isHeldBack(course) && course.pauseReason !== 'USER'
}
