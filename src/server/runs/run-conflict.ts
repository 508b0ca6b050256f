// What a run as it is now does not allow: every refusal of an action, with why and the next step.
import { TrainqlError } from '../../shared/errors.ts'
import { isTerminal, type RunAction, type RunState } from '../../shared/run-state.ts'

/** A run is not as it had to be for what was asked of it. */
export class RunConflict extends TrainqlError {
  readonly runId: string

  constructor(runId: string, details: { message: string; fix: string }) {
    super({ code: 'CONFLICT', ...details })
    this.runId = runId
  }
}

/** Of a run whose state does not offer the action. */
export function notAllowed(runId: string, state: RunState, action: RunAction): RunConflict {
  const { pointless, next } = refusals[action]
  const why = isTerminal(state) ? `has ended (${state})` : `is ${state}`
  return new RunConflict(runId, { message: `The run ${runId} ${why}; ${pointless}.`, fix: next(state) })
}

/** Of a run that has changed since it was looked at. */
export function versionConflict(
  runId: string,
  { expected, found, state }: { expected: number; found: number; state: RunState },
): RunConflict {
  return new RunConflict(runId, {
    message: `Expected the run ${runId} at version ${expected}; it is at version ${found}, and ${state}.`,
    fix: 'Read the run again, decide by what it is now, and give that version.',
  })
}

interface Refusal {
  pointless: string
  next: (state: RunState) => string
}

const followThenResume = (state: RunState): string =>
  state === 'CANCELING' || state === 'PAUSING'
    ? `Wait until it is ${state === 'PAUSING' ? 'PAUSED' : 'CANCELED'}, then resume it.`
    : 'Follow it; to have it go on from another checkpoint or on other devices, pause it first.'

const refusals: Record<RunAction, Refusal> = {
  PAUSE: {
    pointless: 'there is nothing to pause',
    next: (state) =>
      state === 'UNREACHABLE'
        ? 'Its trainer does not hear: resume it, which gives that trainer up, or cancel it.'
        : 'Pause runs that are queued, starting or running.',
  },
  RESUME: {
    pointless: 'there is nothing to resume',
    next: (state) =>
      state === 'SUCCEEDED' ? 'It has trained all its epochs: fork it, to train on.' : followThenResume(state),
  },
  CANCEL: {
    pointless: 'there is nothing to cancel',
    next: () => 'Cancel runs that have not ended.',
  },
  SET_PRIORITY: {
    pointless: 'it waits for no devices any more',
    next: (state) =>
      state === 'SUCCEEDED' ? 'Fork it with another priority.' : 'Resume it once it has ended, then set its priority.',
  },
  // Any run can be forked.
  FORK: { pointless: 'there is nothing to fork', next: () => 'Fork another run.' },
}
