// What an event changes in the index: the run's row, its attempts, metrics, checkpoints and leases. Pure, so that
// following a log and rebuilding from it give the same rows.
import type { RunEvent } from '../../shared/events.ts'
import { canMove, type RunState } from '../../shared/run-state.ts'
import type { CheckpointRecord } from '../checkpoints/checkpoint.record.ts'
import type { EpochClassesRecord } from '../metrics/epoch-classes.payload.ts'
import type { EpochMetricsRecord } from '../metrics/epoch-metrics.payload.ts'
import type { RunFailureRecord, StoredEvent } from './run.record.ts'

/** The part of a run's row that events change. */
export interface RunProjection {
  state: RunState
  attempt: number
  deviceNames: string[]
  engine: string | null
  engineDetail: string | null
  parameters: bigint | null
  classNames: string[]
  stepsPerEpoch: number
  epoch: number
  step: number
  loss: number | null
  imagesPerSecond: number | null
  failure: RunFailureRecord | null
  lastCursor: number
  startedAt: Date | null
  finishedAt: Date | null
}

export const emptyProjection: RunProjection = {
  state: 'QUEUED',
  attempt: 0,
  deviceNames: [],
  engine: null,
  engineDetail: null,
  parameters: null,
  classNames: [],
  stepsPerEpoch: 0,
  epoch: 0,
  step: 0,
  loss: null,
  imagesPerSecond: null,
  failure: null,
  lastCursor: 0,
  startedAt: null,
  finishedAt: null,
}

export interface AttemptChange {
  number: number
  deviceNames: string[]
  leasedAt: Date
}

/** Everything that a batch of consecutive events of one run writes. */
export interface ProjectedBatch {
  run: RunProjection
  events: StoredEvent[]
  epochMetrics: (EpochMetricsRecord & EpochClassesRecord)[]
  checkpoints: CheckpointRecord[]
  attemptsLeased: AttemptChange[]
  attemptsStarted: { number: number; at: Date }[]
  attemptsReleased: { number: number; at: Date }[]
}

/** Applies the next events of a run, which follow `before.lastCursor` directly. */
export function projectEvents(before: RunProjection, events: readonly RunEvent[]): ProjectedBatch {
  const batch: ProjectedBatch = {
    run: { ...before },
    events: [],
    epochMetrics: [],
    checkpoints: [],
    attemptsLeased: [],
    attemptsStarted: [],
    attemptsReleased: [],
  }
  for (const event of events) {
    batch.run.lastCursor += 1
    batch.events.push({ cursor: batch.run.lastCursor, event })
    applyEvent(batch, event)
  }
  return batch
}

function applyEvent(batch: ProjectedBatch, event: RunEvent): void {
  const { run } = batch
  const at = new Date(event.at)
  switch (event.type) {
    case 'queued':
    case 'decoding':
    case 'checkpointFailed':
    case 'checkpointsRemoved':
    case 'checkpointDamaged':
    case 'initialised':
      return
    case 'leased':
      move(run, 'STARTING')
      run.attempt = event.toAttempt
      run.deviceNames = event.devices
      batch.attemptsLeased.push({ number: event.toAttempt, deviceNames: event.devices, leasedAt: at })
      return
    case 'started':
      move(run, 'RUNNING')
      run.engine = event.engine
      run.engineDetail = event.engineDetail
      run.parameters = BigInt(event.parameters)
      run.classNames = event.classNames
      run.stepsPerEpoch = event.stepsPerEpoch
      run.startedAt ??= at
      batch.attemptsStarted.push({ number: event.attempt, at })
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
      batch.epochMetrics.push({ ...event, runId: event.run })
      return
    case 'checkpoint':
      batch.checkpoints.push({
        ...event,
        runId: event.run,
        bytes: BigInt(event.bytes),
        cursor: run.lastCursor,
        createdAt: at,
      })
      return
    case 'finished':
    case 'failed':
    case 'stopped':
      // The trainer's last word; the run's end is the server's, once the process is gone.
      return
    case 'cancelRequested':
      move(run, 'CANCELING')
      return
    case 'released':
      batch.attemptsReleased.push({ number: event.toAttempt, at })
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

/** A move that the state does not allow changes nothing: `started` of a run that is being canceled, for one. */
function move(run: RunProjection, to: RunState): void {
  if (canMove(run.state, to)) run.state = to
}
