// The states of a run and the legal moves between them, in one pure table.

export const runStates = ['QUEUED', 'STARTING', 'RUNNING', 'CANCELING', 'CANCELED', 'SUCCEEDED', 'FAILED'] as const
export type RunState = (typeof runStates)[number]

const next: Record<RunState, readonly RunState[]> = {
  QUEUED: ['STARTING', 'CANCELED', 'FAILED'],
  STARTING: ['RUNNING', 'CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED'],
  RUNNING: ['CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED'],
  CANCELING: ['CANCELED', 'SUCCEEDED', 'FAILED'],
  // Resumed.
  CANCELED: ['QUEUED'],
  SUCCEEDED: [],
  FAILED: ['QUEUED'],
}

/** States of a run that waits, trains or is about to stop. */
export const liveRunStates = ['QUEUED', 'STARTING', 'RUNNING', 'CANCELING'] as const satisfies readonly RunState[]
const live: ReadonlySet<RunState> = new Set(liveRunStates)

export function canMove(from: RunState, to: RunState): boolean {
  return next[from].includes(to)
}

/** It has ended: nothing happens to it any more unless it is resumed. */
export function isTerminal(state: RunState): boolean {
  return !live.has(state)
}
