// What an event changes in the index: the run's row, its attempts, metrics, checkpoints and leases. Pure, so that
// following a log and rebuilding from it give the same rows.
import type { PauseReason, RunEvent } from '../../shared/events.ts'
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import type { LoadReport } from '../../shared/load-report.ts'
import type { Architecture, DeviceRequest, RunSpec } from '../../shared/run-spec.ts'
import { stepsDoneAt } from '../../shared/run-directory.ts'
import type { RunPlan } from '../../shared/run-plan.ts'
import { canMove, type RunState } from '../../shared/run-state.ts'
import type { CheckpointRecord } from '../checkpoints/checkpoint.record.ts'
import type { EpochClassesRecord } from '../metrics/epoch-classes.payload.ts'
import type { EpochMetricsRecord } from '../metrics/epoch-metrics.payload.ts'
import type { ReplicaStall, RunFailureRecord, StoredEvent } from './run.record.ts'

/** The part of a run's row that events change, with what of its spec they are read by. */
export interface RunProjection {
  architecture: Architecture
  /** Key of the checkpoint that the spec says to start from. */
  initialFrom: string | null
  state: RunState
  attempt: number
  deviceNames: string[]
  engine: string | null
  engineDetail: string | null
  parameters: bigint | null
  classNames: string[]
  inputChannels: number | null
  /** What came of loading `initialFrom`. */
  loadReport: LoadReport | null
  /** Name of the run's own checkpoint that the latest attempt goes on from. */
  resumeFrom: string | null
  /** Devices asked for when it was last resumed; null: those of the spec. */
  resumeDevices: DeviceRequest | null
  stepsPerEpoch: number
  epoch: number
  step: number
  loss: number | null
  imagesPerSecond: number | null
  failure: RunFailureRecord | null
  priority: number
  /** Another one after each event that a decision about the run may rest on: all but steps, epochs and checkpoints. */
  version: number
  /** When the state was last another one. */
  stateSince: Date | null
  /** Why it is pausing or paused. */
  pauseReason: PauseReason | null
  /** Attempts since a user last asked for it. */
  tries: number
  /** The latest attempt that came to start training; 0 before. */
  startedAttempt: number
  /** A queued run does not start before; null: at any time. */
  notBefore: Date | null
  /** When it was last asked for: its place in the queue, which it keeps when it yields or is tried again. */
  waitingSince: Date | null
  /** The devices it holds are kept for a run before it from then on; null: they are not. */
  backfilledUntil: Date | null
  /** A replica that does not move. */
  stall: ReplicaStall | null
  /** What was expected of it when it was queued. */
  plan: RunPlan | null
  lastCursor: number
  startedAt: Date | null
  finishedAt: Date | null
}

export const emptyProjection: RunProjection = {
  architecture: 'RESNET18',
  initialFrom: null,
  state: 'QUEUED',
  attempt: 0,
  deviceNames: [],
  engine: null,
  engineDetail: null,
  parameters: null,
  classNames: [],
  inputChannels: null,
  loadReport: null,
  resumeFrom: null,
  resumeDevices: null,
  stepsPerEpoch: 0,
  epoch: 0,
  step: 0,
  loss: null,
  imagesPerSecond: null,
  failure: null,
  priority: 0,
  version: 0,
  stateSince: null,
  pauseReason: null,
  tries: 0,
  startedAttempt: 0,
  notBefore: null,
  waitingSince: null,
  backfilledUntil: null,
  stall: null,
  plan: null,
  lastCursor: 0,
  startedAt: null,
  finishedAt: null,
}

/** Of a run without events. */
export function newProjection(spec: RunSpec, createdAt: Date): RunProjection {
  return {
    ...emptyProjection,
    architecture: spec.model.architecture,
    initialFrom: spec.initialise.kind === 'CHECKPOINT' ? spec.initialise.checkpoint : null,
    priority: spec.priority,
    stateSince: createdAt,
    waitingSince: createdAt,
  }
}

export interface AttemptChange {
  number: number
  deviceNames: string[]
  leasedAt: Date
  /** It has its devices behind the batch, as far as is known: they were not given back. */
  isHeld: boolean
}

/** What became of a checkpoint that a row tells of, or one of the same batch. */
export type CheckpointChange =
  { kind: 'PINNED'; name: string; pinned: boolean } | { kind: 'DELETED'; name: string; at: Date }

/** Everything that a batch of consecutive events of one run writes. */
export interface ProjectedBatch {
  run: RunProjection
  /** What is another one than before. */
  changed: (keyof RunProjection)[]
  events: StoredEvent[]
  epochMetrics: (EpochMetricsRecord & EpochClassesRecord)[]
  checkpoints: CheckpointRecord[]
  /** In order; behind `checkpoints`. */
  checkpointChanges: CheckpointChange[]
  attemptsLeased: AttemptChange[]
  /** `startStep`: global steps that were done before it. Metrics of earlier attempts behind that are superseded. */
  attemptsStarted: { number: number; at: Date; startStep: number }[]
  attemptsReleased: { number: number; at: Date; fault: string | null }[]
}

/** Applies the next events of a run, which follow `before.lastCursor` directly. */
export function projectEvents(before: RunProjection, events: readonly RunEvent[]): ProjectedBatch {
  const batch: ProjectedBatch = {
    run: { ...before },
    changed: [],
    events: [],
    epochMetrics: [],
    checkpoints: [],
    checkpointChanges: [],
    attemptsLeased: [],
    attemptsStarted: [],
    attemptsReleased: [],
  }
  for (const event of events) {
    batch.run.lastCursor += 1
    batch.events.push({ cursor: batch.run.lastCursor, event })
    const { state } = batch.run
    applyEvent(batch, event)
    if (batch.run.state !== state) batch.run.stateSince = new Date(event.at)
    if (batch.run.state !== 'PAUSING' && batch.run.state !== 'PAUSED') batch.run.pauseReason = null
    if (!unversioned.has(event.type)) batch.run.version += 1
  }
  batch.changed = columnsOf(before).filter((column) => batch.run[column] !== before[column])
  return batch
}

const columnsOf = (run: RunProjection): (keyof RunProjection)[] => Object.keys(run) as (keyof RunProjection)[]

const unversioned: ReadonlySet<RunEvent['type']> = new Set([
  'decoding',
  'step',
  'epoch',
  'checkpoint',
  'checkpointFailed',
  'checkpointsRemoved',
  'checkpointPinned',
  'checkpointDeleted',
])

function applyEvent(batch: ProjectedBatch, event: RunEvent): void {
  const { run } = batch
  const at = new Date(event.at)
  switch (event.type) {
    case 'queued':
      run.plan = event.plan
      run.stateSince = at
      run.waitingSince = at
      return
    case 'decoding':
    case 'checkpointFailed':
    case 'logTorn':
      return
    case 'initialised':
      run.loadReport = event.report
      return
    case 'checkpointDamaged':
      run.resumeFrom = event.resumedFrom
      return
    case 'checkpointsRemoved':
      batch.checkpointChanges.push(...event.names.map((name) => ({ kind: 'DELETED' as const, name, at })))
      return
    case 'leased':
      move(run, 'STARTING')
      run.attempt = event.toAttempt
      run.deviceNames = event.devices
      run.tries += 1
      run.notBefore = null
      run.backfilledUntil = event.backfilledUntil === null ? null : new Date(event.backfilledUntil)
      batch.attemptsLeased.push({ number: event.toAttempt, deviceNames: event.devices, leasedAt: at, isHeld: true })
      return
    case 'started':
      move(run, 'RUNNING')
      run.engine = event.engine
      run.engineDetail = event.engineDetail
      run.parameters = BigInt(event.parameters)
      run.classNames = event.classNames
      run.inputChannels = event.channels
      run.stepsPerEpoch = event.stepsPerEpoch
      run.startedAt ??= at
      run.startedAttempt = event.attempt
      batch.attemptsStarted.push({ number: event.attempt, at, startStep: stepsDoneAt(run.resumeFrom) })
      return
    case 'step':
      run.epoch = event.epoch
      run.step = event.step
      run.loss = event.loss
      run.imagesPerSecond = event.imagesPerSecond
      return
    case 'epoch':
      run.epoch = event.epoch
      run.step = event.step
      run.imagesPerSecond = event.imagesPerSecond
      batch.epochMetrics.push({ ...event, runId: event.run, superseded: false })
      return
    case 'checkpoint':
      batch.checkpoints.push(checkpointOf(event, run))
      return
    case 'finished':
    case 'failed':
    case 'stopped':
      // The trainer's last word; the run's end is the server's, once the process is gone.
      return
    case 'cancelRequested':
      move(run, 'CANCELING')
      return
    case 'pauseRequested':
      move(run, 'PAUSING')
      run.pauseReason = event.reason
      return
    case 'paused':
      move(run, 'PAUSED')
      run.pauseReason = event.reason
      run.resumeFrom = event.checkpoint
      return
    case 'yielded':
      move(run, 'QUEUED')
      run.resumeFrom = event.checkpoint
      // It did nothing wrong.
      run.tries -= 1
      return
    case 'retryScheduled':
      move(run, 'QUEUED')
      run.resumeFrom = event.checkpoint
      run.notBefore = new Date(event.notBefore)
      return
    case 'unreachable':
      move(run, 'UNREACHABLE')
      return
    case 'reachable':
      move(run, run.startedAttempt === run.attempt ? 'RUNNING' : 'STARTING')
      return
    case 'replicaStalled': {
      const { replica, device, step } = event
      run.stall = { replica, device, step, since: event.at }
      return
    }
    case 'replicaMoved':
      run.stall = null
      return
    case 'priorityChanged':
      run.priority = event.priority
      return
    case 'resumeRequested':
      // A server that comes back has not asked for it anew, and the attempt that it had leave did nothing wrong.
      run.tries = run.pauseReason === 'DRAIN' ? Math.max(0, run.tries - 1) : 0
      if (run.pauseReason !== 'DRAIN') run.waitingSince = at
      move(run, 'QUEUED')
      run.notBefore = null
      run.resumeFrom = event.checkpoint
      run.resumeDevices = event.devices
      run.failure = null
      run.finishedAt = null
      return
    case 'checkpointPinned':
      batch.checkpointChanges.push({ kind: 'PINNED', name: event.name, pinned: event.pinned })
      return
    case 'checkpointDeleted':
      batch.checkpointChanges.push({ kind: 'DELETED', name: event.name, at })
      return
    case 'released':
      run.stall = null
      run.backfilledUntil = null
      batch.attemptsLeased = withoutLeases(batch.attemptsLeased, new Set([event.toAttempt]))
      batch.attemptsReleased.push({ number: event.toAttempt, at, fault: event.fault })
      return
    case 'succeeded':
    case 'canceled':
      move(run, event.type === 'succeeded' ? 'SUCCEEDED' : 'CANCELED')
      run.finishedAt = at
      return
    case 'runFailed': {
      const { code, message, fix, step, nonFinite } = event
      move(run, 'FAILED')
      run.failure = { code, message, fix, step, nonFinite }
      run.finishedAt = at
      return
    }
    default:
      return event satisfies never
  }
}

function checkpointOf(event: Extract<RunEvent, { type: 'checkpoint' }>, run: RunProjection): CheckpointRecord {
  const { run: runId, attempt, name, epoch, step, bytes, sha256, at } = event
  const keyOf = (own: string): string => checkpointReferenceText({ kind: 'RUN', runId, name: own })
  return {
    origin: 'RUN',
    key: keyOf(name),
    runId,
    series: runId,
    cursor: run.lastCursor,
    attempt,
    name,
    epoch,
    step,
    bytes: BigInt(bytes),
    sha256,
    architecture: run.architecture,
    classes: run.classNames.length === 0 ? null : run.classNames.length,
    inputChannels: run.inputChannels,
    hasOptimizer: true,
    pinned: false,
    parent: run.resumeFrom === null ? run.initialFrom : keyOf(run.resumeFrom),
    importedFrom: null,
    loadReport: null,
    createdAt: new Date(at),
    deletedAt: null,
  }
}

/** Attempts that are over hold nothing. */
export function withoutLeases(attempts: readonly AttemptChange[], over: ReadonlySet<number>): AttemptChange[] {
  return attempts.map((attempt) => (over.has(attempt.number) ? { ...attempt, isHeld: false } : attempt))
}

/** A move that the state does not allow changes nothing: `started` of a run that is being canceled, for one. */
function move(run: RunProjection, to: RunState): void {
  if (canMove(run.state, to)) run.state = to
}
