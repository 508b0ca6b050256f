// The client's methods for what is asked of a run that is there.
import type { CheckpointMethodDeps } from './checkpoints.ts'
import type { CallOptions, Run } from './client.ts'
import { failureOf, type Refusal } from './errors.ts'
import * as operations from './generated/operations.ts'
import type { DevicesInput, ForkRunInput } from './generated/schema.ts'

export interface RunControlOptions extends CallOptions {
  /** Nothing happens unless the run is at this version. Default: at any. */
  expectedVersion?: number | null
}

export interface ResumeOptions extends RunControlOptions {
  /** Id of one of the run's own checkpoints. Default: its latest; its initial weights where it has none. */
  checkpoint?: string | null
  /** Default: those it was created for. */
  devices?: DevicesInput | null
}

/**
 * Each throws a `TrainqlFailure` `CONFLICT` where the run does not allow it, or is not at the version expected; its
 * `currentRun` says how the run is then.
 */
export interface RunControlMethods {
  /**
   * Holds a queued run back; has a running one write a checkpoint and give its devices back. It answers at once: wait with
   * `waitForRun(id, { untilPaused: true })`.
   */
  pauseRun(id: string, options?: RunControlOptions): Promise<Run>
  /**
   * A run that is paused, has failed, was canceled or is unreachable goes on as its next attempt, from its latest
   * checkpoint unless another is named.
   */
  resumeRun(runId: string, options?: ResumeOptions): Promise<Run>
  /** Asks a run to write a checkpoint and stop; follow it to learn when it has. */
  cancelRun(id: string, options?: RunControlOptions): Promise<Run>
  /**
   * A new run made from this one: its settings with changes, from its latest checkpoint unless the input says otherwise.
   * It trains its own epochs from step 1, and does not depend on what becomes of this run.
   */
  forkRun(id: string, input?: ForkRunInput, options?: CallOptions): Promise<Run>
  /** From -1000 to 1000; the highest is served first. */
  setRunPriority(id: string, priority: number, options?: RunControlOptions): Promise<Run>
}

export function runControlMethods({ send }: Pick<CheckpointMethodDeps, 'send'>): RunControlMethods {
  return {
    async pauseRun(id, { expectedVersion = null, ...call } = {}) {
      const { pauseRun } = await send(operations.PauseRunDocument, { id, expectedVersion }, call)
      return runOf(pauseRun)
    },
    async resumeRun(runId, { checkpoint = null, devices = null, expectedVersion = null, ...call } = {}) {
      const variables = { runId, checkpoint, devices, expectedVersion }
      const { resumeRun } = await send(operations.ResumeRunDocument, variables, call)
      return runOf(resumeRun)
    },
    async cancelRun(id, { expectedVersion = null, ...call } = {}) {
      const { cancelRun } = await send(operations.CancelRunDocument, { id, expectedVersion }, call)
      return runOf(cancelRun)
    },
    async forkRun(id, input = {}, call) {
      const { forkRun } = await send(operations.ForkRunDocument, { id, input }, call)
      return runOf(forkRun)
    },
    async setRunPriority(id, priority, { expectedVersion = null, ...call } = {}) {
      const variables = { id, priority, expectedVersion }
      const { setRunPriority } = await send(operations.SetRunPriorityDocument, variables, call)
      return runOf(setRunPriority)
    },
  }
}

/** The run that a mutation answered with. @throws TrainqlFailure where it answered a failure */
export function runOf(result: { run: Run } | Refusal): Run {
  if ('run' in result) return result.run
  throw failureOf(result)
}
