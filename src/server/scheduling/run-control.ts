// What users ask of a run that is there: to pause it, to resume it, to cancel it, to serve it sooner or later. Each is
// decided in the run's own turn, by what it is then, and what it leads to is written before the answer.
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import { TrainqlError } from '../../shared/errors.ts'
import { allowedActions, isAlready, type RunAction } from '../../shared/run-state.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import { notAllowed, versionConflict } from '../runs/run-conflict.ts'
import type { Asked, ResumeRequest, RunControl } from '../runs/run-control.service.ts'
import type { RunEventStore } from '../runs/run-event.store.ts'
import { release } from './attempt-end.ts'
import type { Attempts } from './attempts.ts'
import type { Queue } from './queue.ts'
import { findResumePoint } from './resume-point.ts'
import type { OwnLog } from './run-log.ts'
import type { RunLogs } from './run-logs.ts'

export interface RunControlDeps {
  events: RunEventStore
  checkpoints: CheckpointService
  runLogs: RunLogs
  attempts: Attempts
  queue: Queue
}

export function createRunControl({ events, checkpoints, runLogs, attempts, queue }: RunControlDeps): RunControl {
  /** Whatever is asked may free devices, or ask for some. */
  async function inTurn(runId: string, action: (own: OwnLog) => Promise<void>): Promise<void> {
    await runLogs.exclusively(runId, action)
    await queue.schedule()
  }

  async function pause(own: OwnLog): Promise<void> {
    const { state, resumeFrom } = own.run
    if (state === 'QUEUED' || state === 'PAUSED') {
      await own.append({ type: 'paused', reason: 'USER', checkpoint: resumeFrom })
      return
    }
    await own.append({ type: 'pauseRequested', reason: 'USER' })
    if (state !== 'PAUSING') attempts.stop(own.runId)
  }

  async function cancel(own: OwnLog): Promise<void> {
    const { state } = own.run
    await own.append({ type: 'cancelRequested' })
    if (state === 'QUEUED' || state === 'PAUSED') await own.append({ type: 'canceled' })
    else attempts.stop(own.runId)
  }

  async function resume(own: OwnLog, { checkpoint, devices }: ResumeRequest): Promise<void> {
    const { runId } = own
    // It may have been deleted since it was chosen.
    if (checkpoint !== null) {
      await checkpoints.get(checkpointReferenceText({ kind: 'RUN', runId, name: checkpoint }))
    }
    if (own.run.state === 'UNREACHABLE') await giveUp(own)
    const from = checkpoint ?? (await findResumePoint(checkpoints, own))
    await own.append({ type: 'resumeRequested', checkpoint: from, devices })
  }

  /** From here on nothing that the silent trainer may still write counts. */
  async function giveUp(own: OwnLog): Promise<void> {
    await attempts.giveUp(own.runId, resumedInstead(own.runId))
    await own.takeOver()
    const last = await events.findLast(own.runId, own.run.attempt)
    if (last?.event.type === 'finished') throw notAllowed(own.runId, 'SUCCEEDED', 'RESUME')
    await release(own, null)
  }

  return {
    pause: (runId, asked) => inTurn(runId, (own) => ifAllowed('PAUSE', own, asked, () => pause(own))),
    cancel: (runId, asked) => inTurn(runId, (own) => ifAllowed('CANCEL', own, asked, () => cancel(own))),
    resume: (runId, request) => inTurn(runId, (own) => ifAllowed('RESUME', own, request, () => resume(own, request))),
    setPriority: (runId, request) =>
      inTurn(runId, (own) =>
        ifAllowed('SET_PRIORITY', own, request, async () => {
          const { priority } = request
          if (priority !== own.run.priority) await own.append({ type: 'priorityChanged', priority })
        }),
      ),
  }
}

/** Acts where the run is at the version it was asked for at, offers the action, and is not already as it would have it. */
async function ifAllowed(
  action: RunAction,
  own: OwnLog,
  { expectedVersion }: Asked,
  act: () => Promise<void>,
): Promise<void> {
  const { runId, run } = own
  const { state, version } = run
  if (expectedVersion !== null && expectedVersion !== version) {
    throw versionConflict(runId, { expected: expectedVersion, found: version, state })
  }
  if (isAlready(action, run)) return
  if (!allowedActions(run).includes(action)) throw notAllowed(runId, state, action)
  await act()
}

function resumedInstead(runId: string): TrainqlError {
  return new TrainqlError({
    code: 'TRAINER_UNREACHABLE',
    message: `The silent trainer of run ${runId} was given up for a next attempt.`,
    fix: 'Follow the run.',
  })
}
