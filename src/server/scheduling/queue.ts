// The queue of runs: plans who gets which devices whenever something has changed, starts what can start, and has give
// back what is to.
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import type { AssignedDevice, Attempt } from '../../shared/run-spec.ts'
import { initialFolder } from '../../shared/run-directory.ts'
import { holdingRunStates } from '../../shared/run-state.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import { DatabaseUnavailable, retryAfterMs } from '../database/outage.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { DeviceService } from '../devices/device.service.ts'
import type { Log } from '../log.ts'
import type { PlannedRun } from '../runs/run.record.ts'
import type { RunStore } from '../runs/run.store.ts'
import type { Attempts } from './attempts.ts'
import type { Estimates } from './estimates.ts'
import { failedBy } from './damaged-log.ts'
import type { Grant, HoldingRun, QueuedRun, QueueSituation, Waiting } from './lease-plan.ts'
import { planLeases } from './plan-leases.ts'
import type { QueuePlace } from './queue-order.ts'
import { createRetryWaits } from './retry-waits.ts'
import { findInvalid } from './invalid-directory.ts'
import { findFreeAttempt, readSpec, writeAttempt } from './run-files.ts'
import type { OwnLog } from './run-log.ts'
import type { RunLogs } from './run-logs.ts'

export interface Queue {
  /** Gives free devices to queued runs; returns when nothing more can start now, and what is to yield has been told to. */
  schedule(): Promise<void>
  /** Why a queued run still waits; null where it does not. */
  waiting(runId: string): Waiting | null
  /** What became of one more run if it were queued now; nothing is changed by asking. */
  preview(run: Candidate): Promise<QueuePreview>
  /** Does something in between, while nothing is being started, and looks anew. */
  between(action: () => Promise<void>): Promise<void>
  /** Starts nothing more; returns when nothing is being started. */
  close(): Promise<void>
}

/** A run that is not queued. */
export type Candidate = Pick<QueuedRun, 'request' | 'priority' | 'expectedSeconds'>

export interface QueuePreview {
  /** Those it would get, or is expected to start on; none where nobody can tell. */
  deviceNames: string[]
  /** In the queue, from 1; null where it would start at once, and where it cannot start as things are. */
  position: number | null
  /** Seconds until it would start; null where nobody can tell. */
  waitSeconds: number | null
  /** Why it would wait, in words; null where it would start at once. */
  words: string | null
}

export interface QueueDeps {
  store: RunStore
  devices: DeviceService
  estimates: Estimates
  checkpoints: CheckpointService
  runLogs: RunLogs
  attempts: Attempts
  datasetRoots: readonly string[]
  /** Where trainers keep decoded images. */
  cacheFolder: string
  log: Log
  now: () => Date
}

/** Behind every run that was queued at the same time. */
const candidateId = '~'

/** What could not be started is tried again. */
const retryStartMs = 30_000
/** A longer time to wait for is looked at in between, where timers know no such number. */
const longestTimerMs = 86_400_000

export function createQueue(deps: QueueDeps): Queue {
  const { store, devices, estimates, runLogs, attempts, datasetRoots, cacheFolder, log, now } = deps
  const retryWaits = createRetryWaits(() => performance.now())
  let waiting = new Map<string, Waiting>()
  let timer: NodeJS.Timeout | undefined
  let closing = false
  let scheduling: Promise<void> = Promise.resolve()

  async function pass(): Promise<void> {
    if (closing) return
    clearTimeout(timer)
    const plan = planLeases(await look())
    waiting = plan.waiting
    for (const { runId } of plan.yields) await carryOut(runId, giveBack)
    let failure: unknown = null
    for (const grant of plan.grants) {
      failure = (await carryOut(grant.runId, (own) => start(own, grant))) ?? failure
    }
    lookAgain(plan.lookAgainAt, failure)
  }

  async function look(): Promise<QueueSituation> {
    const [queue, holding] = await Promise.all([store.listInStates(['QUEUED']), store.listInStates(holdingRunStates)])
    const all = await devices.list()
    await estimates.refresh(all)
    const at = now()
    const waits = retryWaits.of(queue, at)
    return {
      queue: queue.map((run) => queuedRun(run, estimates, notBefore(waits.get(run.id), at))),
      holding: holding.map((run) => holdingRun(run, estimates)),
      devices: all,
      now: at,
    }
  }

  async function preview(candidate: Candidate): Promise<QueuePreview> {
    const situation = await look()
    const run = { ...candidate, runId: candidateId, waitingSince: situation.now, notBefore: null }
    const plan = planLeases({ ...situation, queue: [...situation.queue, run] })
    const granted = plan.grants.find(({ runId }) => runId === candidateId)
    if (granted !== undefined) {
      return { deviceNames: granted.devices.map(({ name }) => name), position: null, waitSeconds: 0, words: null }
    }
    const {
      words = null,
      position = null,
      expectedStart = null,
      deviceNames = [],
    } = plan.waiting.get(candidateId) ?? {}
    const waitMs = expectedStart === null ? null : Math.max(0, expectedStart.getTime() - situation.now.getTime())
    return { deviceNames, position, waitSeconds: waitMs === null ? null : waitMs / 1000, words }
  }

  /** Whatever happens to one run, the others have their turn; null where it went well. */
  async function carryOut(runId: string, action: (own: OwnLog) => Promise<void>): Promise<unknown> {
    try {
      await runLogs.exclusively(runId, action)
      return null
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error
      log.error(`The queue could not do what it had planned for run ${runId}; it stays as it is.`, error)
      return error
    }
  }

  function lookAgain(at: Date | null, failure: unknown): void {
    if (closing) return
    const waits = [...(at === null ? [] : [at.getTime() - now().getTime()]), ...waitAfter(failure)]
    if (waits.length === 0) return
    timer = setTimeout(() => void schedule(), Math.min(Math.max(1, Math.min(...waits)), longestTimerMs)).unref()
  }

  /** One pass at a time: two would see the same devices free. */
  function schedule(): Promise<void> {
    scheduling = scheduling.then(pass).catch((error: unknown) => {
      if (!(error instanceof DatabaseUnavailable)) log.error('Scheduling failed.', error)
      lookAgain(null, error)
    })
    return scheduling
  }

  function between(action: () => Promise<void>): Promise<void> {
    const done = scheduling.then(() => (closing ? undefined : action()))
    scheduling = done.catch(() => undefined)
    return done.then(schedule)
  }

  /** It is queued again in its place once its trainer has left. */
  async function giveBack(own: OwnLog): Promise<void> {
    const { state } = own.run
    // It may have ended, or have been told to leave, since the plan was made.
    if (state !== 'STARTING' && state !== 'RUNNING') return
    await own.append({ type: 'pauseRequested', reason: 'YIELD' })
    attempts.stop(own.runId)
  }

  async function start(own: OwnLog, { devices: leased, backfilledUntil }: Grant): Promise<void> {
    const { runId, directory, run } = own
    // It may have been canceled or paused since the plan was made.
    if (run.state !== 'QUEUED') return
    const invalid = await findInvalid(() => readSpec(directory))
    if (invalid !== null) {
      await own.append(failedBy(invalid, run))
      // What it was to have is another's.
      void schedule()
      return
    }
    const attempt = findFreeAttempt(directory, run.attempt)
    await writeAttempt(directory, {
      formatVersion: 1,
      runId,
      attempt,
      devices: leased.map(assignedDevice),
      datasetRoots: [...datasetRoots],
      cacheFolder,
      resumeFrom: await findResumePoint(run.resumeFrom, runId),
      initialFrom: run.initialFrom === null ? null : initialFolder(directory),
      fence: run.attempt === 0 ? null : { attempt: run.attempt, seq: own.lastSeq() },
      checkpoints: await deps.checkpoints.listNames(runId),
    })
    await own.append({
      type: 'leased',
      toAttempt: attempt,
      devices: leased.map(({ name }) => name),
      backfilledUntil: backfilledUntil?.toISOString() ?? null,
    })
    await attempts.launch(runId)
  }

  async function findResumePoint(name: string | null, runId: string): Promise<Attempt['resumeFrom']> {
    if (name === null) return null
    const { sha256 } = await deps.checkpoints.get(checkpointReferenceText({ kind: 'RUN', runId, name }))
    return { name, sha256 }
  }

  return {
    schedule,
    between,
    waiting: (runId) => waiting.get(runId) ?? null,
    preview,
    close() {
      closing = true
      clearTimeout(timer)
      return scheduling
    },
  }
}

function waitAfter(failure: unknown): number[] {
  if (failure === null) return []
  return [failure instanceof DatabaseUnavailable ? retryAfterMs : retryStartMs]
}

function placeOf({ id, priority, waitingSince, createdAt }: PlannedRun): QueuePlace {
  return { runId: id, priority, waitingSince: waitingSince ?? createdAt }
}

function notBefore(waitMs: number | undefined, now: Date): Date | null {
  return waitMs === undefined ? null : new Date(now.getTime() + waitMs)
}

function queuedRun(run: PlannedRun, estimates: Estimates, notBefore: Date | null): QueuedRun {
  return {
    ...placeOf(run),
    request: run.resumeDevices ?? run.spec.devices,
    notBefore,
    expectedSeconds: (count) => estimates.expectedSeconds(run, count),
  }
}

function holdingRun(run: PlannedRun, estimates: Estimates): HoldingRun {
  const { state, backfilledUntil } = run
  const course =
    state === 'UNREACHABLE' ? 'SILENT' : state === 'STARTING' || state === 'RUNNING' ? 'RUNNING' : 'LEAVING'
  return { ...placeOf(run), course, expectedEnd: estimates.expectedEnd(run), backfilledUntil }
}

function assignedDevice({ name, kind, cores, uuid }: DeviceRecord): AssignedDevice {
  return kind === 'CPU' ? { kind, name, cores } : { kind, name, uuid: uuid ?? '' }
}
