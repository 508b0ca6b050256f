// Carries runs out: makes and wires what admits, queues, starts, steers and ends them.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { checkpointFolder, parseCheckpointReference } from '../../shared/checkpoint-reference.ts'
import { isTrainqlError } from '../../shared/errors.ts'
import type { ServerEvent, Unidentified } from '../../shared/events.ts'
import { initialFolder } from '../../shared/run-directory.ts'
import type { RunSpec } from '../../shared/run-spec.ts'
import type { DeviceService } from '../devices/device.service.ts'
import { diskFullOr } from '../durable-files.ts'
import type { Log } from '../log.ts'
import type { RunFeed } from '../runs/run-feed.ts'
import type { RunCarrier, Submission } from '../runs/run.service.ts'
import type { RunStore } from '../runs/run.store.ts'
import type { AttemptEndDeps } from './attempt-end.ts'
import { type Attempts, createAttempts } from './attempts.ts'
import type { Estimates } from './estimates.ts'
import type { DamageListener } from './damaged-log.ts'
import { drain, resumeDrained } from './drain.ts'
import { createQueue, type Queue } from './queue.ts'
import { createRunControl } from './run-control.ts'
import { createRunDirectory } from './run-files.ts'
import { openRunLog, type RunLog } from './run-log.ts'
import { createRunLogs, type RunLogs } from './run-logs.ts'
import { stopping } from './run-refusals.ts'
import type { Launcher } from './trainer-process.ts'
import type { VitalityLimits } from './vitality.ts'

export interface SchedulerDeps extends AttemptEndDeps {
  store: RunStore
  feed: RunFeed
  devices: DeviceService
  estimates: Estimates
  launcher: Launcher
  /** The data directory. */
  home: string
  runsDirectory: string
  datasetRoots: readonly string[]
  /** Where trainers keep decoded images. */
  cacheFolder: string
  /** From SIGTERM to SIGKILL. */
  cancelGraceMs: number
  /** When a trainer counts as silent, and a replica as stalled. */
  limits: VitalityLimits
  log: Log
  now: () => Date
}

export type Decide = (run: RunLog['run']) => Promise<Unidentified<ServerEvent> | null>

export interface Scheduler extends RunCarrier {
  readonly runLogs: RunLogs
  readonly attempts: Attempts
  readonly queue: Queue
  /**
   * Writes an event of the server's about a run that has a row, whatever its state, in turn with everything else that
   * happens to it. `decide` sees the run as it is then; null: nothing is written.
   */
  record(runId: string, decide: Decide): Promise<void>
  /** Takes no more runs from now on, and has none go on. */
  refuse(): void
  /** Has every trainer leave, for a while or for good, and waits until they have; see `TrainersOnExit`. */
  dismiss(how: 'DRAIN' | 'CANCEL'): Promise<void>
  /** Lets go of every run; trainers that are there run on. */
  close(): Promise<void>
}

/** Whoever stops the server waits: a trainer gets less time than where only its run is canceled. */
const closeGraceMs = 8_000

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { store, feed, home, runsDirectory, cancelGraceMs: graceMs, log, now } = deps
  const directoryOf = (runId: string): string => join(runsDirectory, runId)
  const onDamage: DamageListener = {
    endTrainer: (runId, why) => attempts.giveUp(runId, why),
    ended(runId, { error, keptAs }) {
      log.error(
        `The log of run ${runId} is damaged, and the run ended there; the damaged file is kept as ${keptAs}.`,
        error,
      )
      void queue.schedule()
    },
  }
  const runLogs = createRunLogs(
    (runId) => openRunLog({ store, feed, now, onDamage }, { runId, directory: directoryOf(runId) }),
    (runId) => feed.forget(runId),
  )
  const attempts = createAttempts({
    ...deps,
    runLogs,
    graceMs,
    // It was told to leave by a server that was then ended before it had.
    afterEnd: (own) => (closing ? Promise.resolve() : resumeDrained(own)),
    onFree: () => void queue.schedule(),
  })
  const queue = createQueue({ ...deps, runLogs, attempts })
  const control = createRunControl({ ...deps, runLogs, attempts, queue })
  let closing = false

  /** A run that keeps them for itself has them whatever became of the checkpoint. */
  function firstWeights(checkpoint: string, keptFor: string | null): string {
    return keptFor === null
      ? checkpointFolder(home, parseCheckpointReference(checkpoint))
      : initialFolder(directoryOf(keptFor))
  }

  async function submit(spec: RunSpec, { createdAt, plan, initialOf }: Submission): Promise<void> {
    if (closing) throw stopping()
    const { runId, initialise } = spec
    const identity = { run: runId, attempt: 0, seq: 1, at: createdAt.toISOString(), behind: { attempt: 0, seq: 0 } }
    const initial = initialise.kind === 'CHECKPOINT' ? firstWeights(initialise.checkpoint, initialOf) : null
    try {
      await createRunDirectory(directoryOf(runId), { spec, queued: { ...identity, type: 'queued', plan }, initial })
      await store.insert(spec, createdAt)
      await runLogs.use(runId, (runLog) => runLog.takeOver())
    } catch (error) {
      await rm(directoryOf(runId), { recursive: true, force: true })
      await store.delete(runId)
      runLogs.drop(runId)
      throw diskFullOr(error)
    }
    await queue.schedule()
  }

  /** What has ended meanwhile need not be. */
  async function cancelIfLive(runId: string): Promise<void> {
    await control.cancel(runId, { expectedVersion: null }).catch((error: unknown) => {
      if (!isTrainqlError(error)) throw error
    })
    attempts.stop(runId, Math.min(graceMs, closeGraceMs))
  }

  return {
    runLogs,
    attempts,
    queue,
    ...control,
    submit,
    waiting: (runId) => queue.waiting(runId),
    resume: (runId, request) => (closing ? Promise.reject(stopping()) : control.resume(runId, request)),
    record: (runId, decide) =>
      runLogs.exclusively(runId, async (own) => {
        const event = await decide(own.run)
        if (event !== null) await own.append(event)
      }),
    refuse() {
      closing = true
    },
    async dismiss(how) {
      closing = true
      await queue.close()
      if (how === 'DRAIN') return drain({ ...deps, runLogs, attempts, graceMs })
      const live = runLogs.listLive()
      await Promise.all(live.map(cancelIfLive))
      await Promise.all(live.map((runId) => attempts.settle(runId)))
    },
    async close() {
      closing = true
      await queue.close()
      await attempts.detach()
    },
  }
}
