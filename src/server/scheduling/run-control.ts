// What users ask of a run that is there: to cancel it, to resume it. Each is decided in the run's own turn, by what it is
// then, and what it leads to is written before the answer.
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import { allowedActions, isTerminal } from '../../shared/run-state.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import type { ResumeRequest, RunCarrier } from '../runs/run.service.ts'
import type { Attempts } from './attempts.ts'
import type { Queue } from './queue.ts'
import { endedMeanwhile, notResumable } from './run-refusals.ts'
import type { RunLogs } from './run-logs.ts'

export type RunControl = Pick<RunCarrier, 'cancel' | 'resume'>

export interface RunControlDeps {
  checkpoints: CheckpointService
  runLogs: RunLogs
  attempts: Attempts
  queue: Queue
}

export function createRunControl({ checkpoints, runLogs, attempts, queue }: RunControlDeps): RunControl {
  return {
    async cancel(runId) {
      await runLogs.exclusively(runId, async (own) => {
        const { state } = own.run
        if (isTerminal(state)) throw endedMeanwhile(runId)
        if (state === 'CANCELING') return
        await own.append({ type: 'cancelRequested' })
        if (state === 'QUEUED') await own.append({ type: 'canceled' })
        else attempts.stop(runId)
      })
      await queue.schedule()
    },
    async resume(runId, { checkpoint, devices }: ResumeRequest) {
      await runLogs.exclusively(runId, async (own) => {
        const { state } = own.run
        if (!allowedActions(state).includes('RESUME')) throw notResumable(runId, state)
        // It may have been deleted since it was chosen.
        if (checkpoint !== null) {
          await checkpoints.get(checkpointReferenceText({ kind: 'RUN', runId, name: checkpoint }))
        }
        await own.append({ type: 'resumeRequested', checkpoint, devices })
      })
      await queue.schedule()
    },
  }
}
