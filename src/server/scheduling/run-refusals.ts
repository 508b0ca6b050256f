// Why a run is not queued, canceled or resumed, in words.
import { TrainqlError } from '../../shared/errors.ts'
import type { RunState } from '../../shared/run-state.ts'

export function stopping(): TrainqlError {
  return new TrainqlError({
    code: 'CONFLICT',
    message: 'The server is stopping and takes no more runs.',
    fix: 'Create the run again once the server has been started again.',
  })
}

export function endedMeanwhile(runId: string): TrainqlError {
  return new TrainqlError({
    code: 'CONFLICT',
    message: `The run ${runId} has ended; there is nothing to cancel.`,
    fix: 'Cancel runs that are queued, starting or running.',
  })
}

export function notResumable(runId: string, state: RunState): TrainqlError {
  const [why, fix] =
    state === 'SUCCEEDED'
      ? ['has trained all its epochs', 'Create a run that is initialised from its last checkpoint, to train on.']
      : [`is ${state}`, 'Follow it, or cancel it first.']
  return new TrainqlError({ code: 'CONFLICT', message: `The run ${runId} ${why}; there is nothing to resume.`, fix })
}
