// The states of a run and the legal moves between them, in one pure table.

export const runStates = ['QUEUED', 'STARTING', 'RUNNING', 'CANCELING', 'CANCELED', 'SUCCEEDED', 'FAILED'] as const
export type RunState = (typeof runStates)[number]

const next: Record<RunState, readonly RunState[]> = {
  QUEUED: ['STARTING', 'CANCELED', 'FAILED'],
  STARTING: ['RUNNING', 'CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED'],
  RUNNING: ['CANCELING', 'SUCCEEDED', 'FAILED', 'CANCELED'],
  CANCELING: ['CANCELED', 'SUCCEEDED', 'FAILED'],
  CANCELED: [],
  SUCCEEDED: [],
  FAILED: [],
}

export function canMove(from: RunState, to: RunState): boolean {
  return next[from].includes(to)
}

export function isTerminal(state: RunState): boolean {
  return next[state].length === 0
}
