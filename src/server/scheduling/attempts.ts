// The attempts under way: starts their trainers, has them looked after, tells them to leave, and ends what has ended.
import { TrainqlError } from '../../shared/errors.ts'
import { outlast } from '../database/outage.ts'
import type { Log } from '../log.ts'
import { type AttemptEndDeps, endAttempt } from './attempt-end.ts'
import type { OwnLog, RunLog } from './run-log.ts'
import type { RunLogs } from './run-logs.ts'
import { type AttemptEnd, superviseAttempt, type Supervision } from './supervision.ts'
import type { Launcher, TrainerProcess } from './trainer-process.ts'
import type { Vitality, VitalityLimits } from './vitality.ts'

export interface Attempts {
  /** Starts the process of the run's latest attempt. */
  launch(runId: string): Promise<void>
  /** Takes a trainer process that runs, or has just ended, into care; it is told to leave where the run is to. */
  supervise(runLog: RunLog, process: TrainerProcess): void
  /** SIGTERM now, SIGKILL after the grace time; nothing where no trainer runs. */
  stop(runId: string, graceMs?: number): void
  /** SIGKILL; resolves when the trainer has gone, or counts as gone. At once where none runs. */
  giveUp(runId: string, why: TrainqlError): Promise<void>
  /** Whether a trainer of the run is in care. */
  supervises(runId: string): boolean
  /** What was last heard of the run's trainer; null where none runs, or it has not been heard of. */
  vitality(runId: string): Vitality | null
  /** Waits for the run's trainer to leave, and for what ends its attempt; not at all where none runs. */
  settle(runId: string): Promise<void>
  /** Lets go of every trainer, which runs on. */
  detach(): Promise<void>
}

export interface AttemptsDeps extends AttemptEndDeps {
  runLogs: RunLogs
  launcher: Launcher
  /** From SIGTERM to SIGKILL. */
  graceMs: number
  limits: VitalityLimits
  log: Log
  /** Its attempt has ended, in its own turn. */
  afterEnd: (own: OwnLog) => Promise<void>
  /** Its devices are free. */
  onFree: () => void
}

export function createAttempts(deps: AttemptsDeps): Attempts {
  const { runLogs, launcher, graceMs, limits, log, afterEnd, onFree } = deps
  const supervisions = new Map<string, Supervision>()
  const closing = new AbortController()
  /** From a trainer's start until its end is written; the run's log is in use all along. */
  const cares = new Map<string, Promise<void>>()

  /** The log is in use from now until the end is written. */
  function endWith(runId: string, ended: Promise<AttemptEnd | null>): void {
    const care = runLogs
      .use(runId, async (runLog) => {
        const end = await ended
        if (end === null) return
        await outlast(
          () =>
            runLog.exclusively(async (own) => {
              await endAttempt(deps, own, end)
              await afterEnd(own)
            }),
          closing.signal,
        )
        onFree()
      })
      .catch((error: unknown) => {
        if (!closing.signal.aborted) log.error(`Ending run ${runId} failed; a restart of the server ends it.`, error)
      })
      .finally(() => {
        // The next attempt may be under way.
        if (cares.get(runId) === care) cares.delete(runId)
      })
    cares.set(runId, care)
  }

  function supervise(runLog: RunLog, process: TrainerProcess): void {
    const { runId, run } = runLog
    const supervision = superviseAttempt({ runLog, attempt: run.attempt, process, limits, log })
    supervisions.set(runId, supervision)
    if (run.state === 'CANCELING' || run.state === 'PAUSING') supervision.stop(graceMs)
    const forget = (): void => {
      if (supervisions.get(runId) === supervision) supervisions.delete(runId)
    }
    endWith(runId, supervision.ended.finally(forget))
  }

  return {
    async launch(runId) {
      await runLogs.use(runId, async (runLog) => {
        const { attempt } = runLog.run
        try {
          supervise(runLog, await launcher.launch(runLog.directory, attempt))
        } catch (error) {
          log.error(`The trainer of run ${runId} could not be started.`, error)
          const why = error instanceof Error ? error.message : String(error)
          const givenUp = new TrainqlError({
            code: 'TRAINER_DIED',
            message: `The trainer process could not be started: ${why}.`,
            fix: 'Free processes or memory on this machine, then resume the run.',
          })
          endWith(runId, Promise.resolve({ attempt, exit: null, invalid: null, givenUp }))
        }
      })
    },
    supervise,
    stop: (runId, ms = graceMs) => supervisions.get(runId)?.stop(ms),
    async giveUp(runId, why) {
      await supervisions.get(runId)?.giveUp(why)
    },
    supervises: (runId) => supervisions.has(runId),
    vitality: (runId) => supervisions.get(runId)?.vitality() ?? null,
    settle: (runId) => cares.get(runId) ?? Promise.resolve(),
    async detach() {
      closing.abort()
      for (const supervision of supervisions.values()) supervision.detach()
      await Promise.all(cares.values())
    },
  }
}
