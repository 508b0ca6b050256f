// Carries runs out: queues them, leases devices by age, starts trainers, ends what has ended, and takes everything up
// again after a restart.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  checkpointFolder,
  checkpointReferenceText,
  parseCheckpointReference,
} from '../../shared/checkpoint-reference.ts'
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import type { ServerEvent, Unidentified } from '../../shared/events.ts'
import type { AssignedDevice, Attempt, RunSpec } from '../../shared/run-spec.ts'
import { initialFolder } from '../../shared/run-directory.ts'
import { allowedActions, isTerminal } from '../../shared/run-state.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { DeviceService } from '../devices/device.service.ts'
import { diskFullOr } from '../durable-files.ts'
import type { Log } from '../log.ts'
import type { RunFeed } from '../runs/run-feed.ts'
import type { ResumeRequest, RunCarrier, Submission } from '../runs/run.service.ts'
import type { RunStore } from '../runs/run.store.ts'
import { type AttemptEndDeps, endAttempt } from './attempt-end.ts'
import { planLeases } from './plan-leases.ts'
import { createRunDirectory, writeAttempt } from './run-files.ts'
import { endedMeanwhile, notResumable, stopping } from './run-refusals.ts'
import { openRunLog, type RunLog } from './run-log.ts'
import { createRunLogs } from './run-logs.ts'
import { type AttemptEnd, superviseAttempt, type Supervision } from './supervision.ts'
import type { Launcher, TrainerProcess } from './trainer-process.ts'

export interface SchedulerDeps extends AttemptEndDeps {
  store: RunStore
  feed: RunFeed
  devices: DeviceService
  launcher: Launcher
  /** The data directory. */
  home: string
  runsDirectory: string
  datasetRoots: readonly string[]
  /** Where trainers keep decoded images. */
  cacheFolder: string
  /** From SIGTERM to SIGKILL when a run is canceled. */
  cancelGraceMs: number
  log: Log
  now: () => Date
}

export type Decide = (run: RunLog['run']) => Promise<Unidentified<ServerEvent> | null>

export interface Scheduler extends RunCarrier {
  /**
   * Writes an event of the server's about a run that has a row, whatever its state, in turn with everything else that
   * happens to it. `decide` sees the run as it is then; null: nothing is written.
   */
  record(runId: string, decide: Decide): Promise<void>
  /** Opens the log of a run that has a row and has not ended. */
  open(runId: string): Promise<RunLog>
  /** Frees what is held of a run that has ended. */
  forget(runId: string): void
  /** Takes a trainer process that runs, or has just ended, into care; it is told to leave where the run is being canceled. */
  supervise(runLog: RunLog, process: TrainerProcess): void
  /** Starts the process of the run's latest attempt. */
  launch(runLog: RunLog): Promise<void>
  /** Gives free devices to queued runs; returns when nothing more can start now. */
  schedule(): Promise<void>
  /** Takes no more runs from now on. */
  refuse(): void
  /** Lets go of every run, or ends it: trainers run on, or with `stopTrainers` are canceled and waited for. */
  close(options: { stopTrainers: boolean }): Promise<void>
}

/** Whoever stops the server waits: a trainer gets less time than where only its run is canceled. */
const closeGraceMs = 8_000

export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { store, feed, devices, launcher, home, runsDirectory, datasetRoots, cacheFolder, cancelGraceMs, log, now } =
    deps
  /** Kept open of runs that have not ended. */
  const runLogs = createRunLogs(
    (runId) => openRunLog({ store, feed, now }, { runId, directory: directoryOf(runId) }),
    (runId) => feed.forget(runId),
  )
  const supervisions = new Map<string, Supervision>()
  /** Ends under way, to be waited for at close. */
  const endings = new Set<Promise<void>>()
  let waiting = new Map<string, string>()
  let closing = false
  let scheduling: Promise<void> = Promise.resolve()

  const folderOf = (key: string): string => checkpointFolder(home, parseCheckpointReference(key))
  const directoryOf = (runId: string): string => join(runsDirectory, runId)

  function forget(runId: string): void {
    supervisions.delete(runId)
    waiting.delete(runId)
    runLogs.close(runId)
  }

  function supervise(runLog: RunLog, process: TrainerProcess): void {
    const { runId, run } = runLog
    const attempt = run.attempt
    const supervision = superviseAttempt({ runLog, attempt, process, log })
    supervisions.set(runId, supervision)
    if (run.state === 'CANCELING') supervision.stop(cancelGraceMs)
    void supervision.ended.then((end) => (end === null ? undefined : finish(runLog, end)))
  }

  function finish(runLog: RunLog, end: AttemptEnd): void {
    const { runId } = runLog
    supervisions.delete(runId)
    const ending = endAttempt(deps, runLog, end)
      .then(() => {
        // Who saw it end may have had it resumed already.
        if (isTerminal(runLog.run.state)) forget(runId)
        void schedule()
      })
      .catch((error: unknown) => log.error(`Ending run ${runId} failed; a restart of the server ends it.`, error))
      .finally(() => endings.delete(ending))
    endings.add(ending)
  }

  async function launch(runLog: RunLog): Promise<void> {
    const { directory, run } = runLog
    try {
      supervise(runLog, await launcher.launch(directory, run.attempt))
    } catch (error) {
      log.error(`The trainer of run ${runLog.runId} could not be started.`, error)
      const why = error instanceof Error ? error.message : String(error)
      const invalid = new TrainqlError({
        code: 'TRAINER_DIED',
        message: `The trainer process could not be started: ${why}.`,
        fix: 'Free processes or memory on this machine, then create the run again.',
      })
      finish(runLog, { exit: null, invalid })
    }
  }

  async function start(runId: string, leased: readonly DeviceRecord[]): Promise<void> {
    const runLog = runLogs.find(runId)
    if (runLog === null) return
    await runLog.exclusively(async (own) => {
      // It may have been canceled since the plan was made.
      if (own.run.state !== 'QUEUED') return
      const attempt = own.run.attempt + 1
      const resumeFrom = await findResumePoint(own.run.resumeFrom, runId)
      await writeAttempt(runLog.directory, {
        formatVersion: 1,
        runId,
        attempt,
        devices: leased.map(assignedDevice),
        datasetRoots: [...datasetRoots],
        cacheFolder,
        resumeFrom,
        initialFrom: own.run.initialFrom === null ? null : initialFolder(runLog.directory),
      })
      await own.append({ type: 'leased', toAttempt: attempt, devices: leased.map(({ name }) => name) })
      await launch(runLog)
    })
  }

  async function findResumePoint(name: string | null, runId: string): Promise<Attempt['resumeFrom']> {
    if (name === null) return null
    const { sha256 } = await deps.checkpoints.get(keyOf(runId, name))
    return { name, sha256 }
  }

  async function plan(): Promise<void> {
    if (closing) return
    const queue = await store.listInStates(['QUEUED'])
    const requests = queue.map(({ id, spec, resumeDevices }) => ({ runId: id, request: resumeDevices ?? spec.devices }))
    const { grants, waiting: reasons } = planLeases(requests, await devices.list())
    waiting = reasons
    for (const grant of grants) {
      await start(grant.runId, grant.devices).catch((error: unknown) =>
        log.error(`Starting run ${grant.runId} failed; it stays queued.`, error),
      )
    }
  }

  /** One pass at a time: two would see the same devices free. */
  function schedule(): Promise<void> {
    scheduling = scheduling.then(plan).catch((error: unknown) => log.error('Scheduling failed.', error))
    return scheduling
  }

  async function submit(spec: RunSpec, { createdAt, plan }: Submission): Promise<void> {
    if (closing) throw stopping()
    const { runId, initialise } = spec
    const at = createdAt.toISOString()
    const identity = { run: runId, attempt: 0, seq: 1, at, behind: { attempt: 0, seq: 0 } }
    try {
      const initial = initialise.kind === 'CHECKPOINT' ? folderOf(initialise.checkpoint) : null
      await createRunDirectory(directoryOf(runId), { spec, queued: { ...identity, type: 'queued', plan }, initial })
      await store.insert(spec, createdAt)
      await (await runLogs.open(runId)).takeOver()
    } catch (error) {
      await rm(directoryOf(runId), { recursive: true, force: true })
      await store.delete(runId)
      forget(runId)
      throw diskFullOr(error)
    }
    await schedule()
  }

  async function cancel(runId: string): Promise<void> {
    const runLog = runLogs.find(runId)
    if (runLog === null) throw endedMeanwhile(runId)
    await runLog.exclusively(async (own) => {
      const { state } = own.run
      if (isTerminal(state)) throw endedMeanwhile(runId)
      if (state === 'CANCELING') return
      await own.append({ type: 'cancelRequested' })
      if (state === 'QUEUED') await own.append({ type: 'canceled' })
      else supervisions.get(runId)?.stop(cancelGraceMs)
    })
    if (!isTerminal(runLog.run.state)) return
    forget(runId)
    await schedule()
  }

  async function resume(runId: string, { checkpoint, devices: asked }: ResumeRequest): Promise<void> {
    if (closing) throw stopping()
    // In use all along: where the run is just ending, what ends it does not close the log under our hands.
    await runLogs.use(runId, async (runLog) => {
      await runLog.exclusively(async (own) => {
        const { state } = own.run
        if (!allowedActions(state).includes('RESUME')) throw notResumable(runId, state)
        // It may have been deleted since it was chosen.
        if (checkpoint !== null) await deps.checkpoints.get(keyOf(runId, checkpoint))
        await own.append({ type: 'resumeRequested', checkpoint, devices: asked })
        await runLogs.open(runId)
      })
    })
    await schedule()
  }

  async function record(runId: string, decide: Decide): Promise<void> {
    await runLogs.use(runId, (runLog) =>
      runLog.exclusively(async (own) => {
        const event = await decide(own.run)
        if (event !== null) await own.append(event)
      }),
    )
  }

  function refuse(): void {
    closing = true
  }

  async function close({ stopTrainers }: { stopTrainers: boolean }): Promise<void> {
    refuse()
    await scheduling
    if (stopTrainers) {
      await Promise.all(
        runLogs.list().map((runId) =>
          cancel(runId).catch((error: unknown) => {
            if (!isTrainqlError(error)) throw error
          }),
        ),
      )
      for (const supervision of supervisions.values()) supervision.stop(Math.min(cancelGraceMs, closeGraceMs))
    } else {
      for (const supervision of supervisions.values()) supervision.detach()
    }
    await Promise.all([...supervisions.values()].map(({ ended }) => ended))
    await Promise.all(endings)
    await scheduling
  }

  return {
    submit,
    cancel,
    resume,
    record,
    waitingFor: (runId) => waiting.get(runId) ?? null,
    refuse,
    open: (runId) => runLogs.open(runId),
    forget,
    supervise,
    launch,
    schedule,
    close,
  }
}

function keyOf(runId: string, name: string): string {
  return checkpointReferenceText({ kind: 'RUN', runId, name })
}

function assignedDevice({ name, kind, cores, uuid }: DeviceRecord): AssignedDevice {
  return kind === 'CPU' ? { kind, name, cores } : { kind, name, uuid: uuid ?? '' }
}
