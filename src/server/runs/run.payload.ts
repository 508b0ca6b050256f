// Records and events of the runs room as the GraphQL types show them.
import { join } from 'node:path'
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import type { RunEvent as SharedEvent } from '../../shared/events.ts'
import { allowedActions } from '../../shared/run-state.ts'
import { toCursor } from '../connection.type.ts'
import { epochMetricsPayload } from '../metrics/epoch-metrics.payload.ts'
import { globalId } from '../node.type.ts'
import { optimizerPayload, schedulePayload } from './recipe.payload.ts'
import type { AnyRunEvent } from './run-event.type.ts'
import type { RunRecord, StoredEvent } from './run.record.ts'
import type { Run } from './run.type.ts'

export function runPayload(record: RunRecord, runsDirectory: string): Run {
  const { spec } = record
  return {
    __typename: 'Run',
    key: record.id,
    id: globalId('Run', record.id),
    name: record.name,
    state: record.state,
    stateSince: record.stateSince ?? record.createdAt,
    allowedActions: allowedActions(record),
    version: record.version,
    pauseReason: record.pauseReason,
    priority: record.priority,
    retry: spec.retry,
    tries: record.tries,
    notBefore: record.notBefore,
    stall: record.stall === null ? null : { ...record.stall, since: new Date(record.stall.since) },
    backfilledUntil: record.backfilledUntil,
    originKey: record.forkedFrom,
    forkedFromId: record.forkedFrom === null ? null : globalId('Run', record.forkedFrom),
    architecture: record.architecture,
    dataset: record.dataset,
    epochs: record.epochs,
    globalBatch: record.globalBatch,
    shards: record.shards,
    deviceNames: record.deviceNames,
    engineChoice: record.engineChoice,
    engine: record.engine,
    engineDetail: record.engineDetail,
    optimizer: optimizerPayload(spec.optimizer),
    learningRate: record.learningRate,
    schedule: schedulePayload(spec.schedule),
    precision: spec.precision,
    accumulationSteps: spec.accumulationSteps,
    syncBatchNorm: spec.syncBatchNorm,
    clipNorm: spec.clipNorm,
    labelSmoothing: spec.labelSmoothing,
    augmentation: spec.augmentation,
    imageSize: spec.imageSize,
    onCorruptImage: spec.onCorruptImage,
    seed: record.seed,
    parameters: record.parameters,
    progress: {
      epoch: record.epoch,
      epochs: record.epochs,
      step: record.step,
      steps: record.stepsPerEpoch === 0 ? null : record.epochs * record.stepsPerEpoch,
      imagesPerSecond: record.imagesPerSecond,
      loss: record.loss,
    },
    failure: record.failure,
    attempt: record.attempt,
    createdAt: record.createdAt,
    startedAt: record.startedAt,
    finishedAt: record.finishedAt,
    directory: join(runsDirectory, record.id),
    initialKey: record.initialFrom,
    keptPlan: record.plan,
    initialise: spec.initialise.kind === 'CHECKPOINT' ? spec.initialise : null,
    checkpointPolicy: spec.checkpoints,
    loadReport: record.loadReport,
    lastCursor: record.lastCursor === 0 ? null : eventCursor(record.lastCursor),
  }
}

/** A position in a run's events, opaque to clients. */
export function eventCursor(cursor: number): string {
  return toCursor(String(cursor))
}

export function runEventPayload({ cursor, event }: StoredEvent): AnyRunEvent {
  const checkpointKey = (name: string): string => checkpointReferenceText({ kind: 'RUN', runId: event.run, name })
  const keyOrNull = (name: string | null): string | null => (name === null ? null : checkpointKey(name))
  const identity = {
    cursor: eventCursor(cursor),
    runId: globalId('Run', event.run),
    attempt: event.attempt,
    seq: BigInt(event.seq),
    at: new Date(event.at),
  }
  switch (event.type) {
    case 'queued':
      return { __typename: 'QueuedEvent', ...identity }
    case 'leased': {
      const { toAttempt, devices } = event
      const backfilledUntil = event.backfilledUntil === null ? null : new Date(event.backfilledUntil)
      return { __typename: 'LeasedEvent', ...identity, toAttempt, devices, backfilledUntil }
    }
    case 'decoding': {
      const { images, ofImages, corruptImages } = event
      return { __typename: 'DecodingEvent', ...identity, images, ofImages, corruptImages }
    }
    case 'started': {
      const { engine, engineDetail, devices, shards, globalBatch, epochs, stepsPerEpoch } = event
      const { precision, accumulationSteps, syncBatchNorm, trainImages, validationImages, skippedImages } = event
      const plan = { engine, engineDetail, devices, shards, globalBatch, epochs, stepsPerEpoch }
      const arithmetic = { precision, accumulationSteps, syncBatchNorm }
      const parameters = BigInt(event.parameters)
      const memoryBytes = event.memoryBytes === null ? null : BigInt(event.memoryBytes)
      const images = { trainImages, validationImages, skippedImages }
      return { __typename: 'StartedEvent', ...identity, ...plan, ...arithmetic, parameters, memoryBytes, ...images }
    }
    case 'initialised':
      return { __typename: 'InitialisedEvent', ...identity, from: event.checkpoint, report: event.report }
    case 'step': {
      const { epoch, step, loss, nonFinite, learningRate, imagesPerSecond } = event
      return { __typename: 'StepEvent', ...identity, epoch, step, loss, nonFinite, learningRate, imagesPerSecond }
    }
    case 'epoch':
      return {
        __typename: 'EpochEvent',
        ...identity,
        metrics: epochMetricsPayload({ runId: event.run, superseded: false, ...event }),
      }
    case 'checkpoint':
      return { __typename: 'CheckpointEvent', ...identity, checkpointKey: checkpointKey(event.name) }
    case 'checkpointFailed': {
      const { name, epoch, step, code, message, fix } = event
      return { __typename: 'CheckpointFailedEvent', ...identity, name, epoch, step, code, message, fix }
    }
    case 'checkpointsRemoved':
      return { __typename: 'CheckpointsRemovedEvent', ...identity, names: event.names }
    case 'checkpointDamaged': {
      const { name, message, resumedFrom } = event
      return { __typename: 'CheckpointDamagedEvent', ...identity, name, message, resumedFrom }
    }
    case 'finished': {
      const { epochs, step, wallSeconds } = event
      return { __typename: 'FinishedEvent', ...identity, epochs, step, wallSeconds }
    }
    case 'failed':
      return {
        __typename: 'FailedEvent',
        ...identity,
        failure: failureOf(event),
        lastCheckpoint: event.lastCheckpoint,
      }
    case 'stopped':
      return { __typename: 'StoppedEvent', ...identity, step: event.step, lastCheckpoint: event.lastCheckpoint }
    case 'cancelRequested':
      return { __typename: 'CancelRequestedEvent', ...identity }
    case 'released': {
      const { toAttempt, devices, fault } = event
      return { __typename: 'ReleasedEvent', ...identity, toAttempt, devices, fault }
    }
    case 'succeeded':
      return { __typename: 'RunEndedEvent', ...identity, state: 'SUCCEEDED', failure: null }
    case 'runFailed':
      return { __typename: 'RunEndedEvent', ...identity, state: 'FAILED', failure: failureOf(event) }
    case 'canceled':
      return { __typename: 'RunEndedEvent', ...identity, state: 'CANCELED', failure: null }
    case 'resumeRequested': {
      return { __typename: 'ResumeRequestedEvent', ...identity, checkpointKey: keyOrNull(event.checkpoint) }
    }
    case 'checkpointPinned': {
      const { name, pinned } = event
      return { __typename: 'CheckpointPinnedEvent', ...identity, checkpointKey: checkpointKey(name), pinned }
    }
    case 'checkpointDeleted':
      return { __typename: 'CheckpointDeletedEvent', ...identity, checkpointKey: checkpointKey(event.name) }
    case 'pauseRequested':
      return { __typename: 'PauseRequestedEvent', ...identity, reason: event.reason }
    case 'paused':
      return { __typename: 'PausedEvent', ...identity, reason: event.reason }
    case 'yielded':
      return { __typename: 'YieldedEvent', ...identity, checkpointKey: keyOrNull(event.checkpoint) }
    case 'retryScheduled': {
      const { code, message, fix, step, checkpoint } = event
      const failure = { code, message, fix, step, nonFinite: false }
      const notBefore = new Date(event.notBefore)
      return {
        __typename: 'RetryScheduledEvent',
        ...identity,
        failure,
        checkpointKey: keyOrNull(checkpoint),
        notBefore,
      }
    }
    case 'unreachable': {
      const { toAttempt, silentSeconds } = event
      return { __typename: 'UnreachableEvent', ...identity, toAttempt, silentSeconds }
    }
    case 'reachable':
      return { __typename: 'ReachableEvent', ...identity, toAttempt: event.toAttempt }
    case 'replicaStalled': {
      const { toAttempt, replica, device, step, stalledSeconds } = event
      return { __typename: 'ReplicaStalledEvent', ...identity, toAttempt, replica, device, step, stalledSeconds }
    }
    case 'replicaMoved': {
      const { toAttempt, replica } = event
      return { __typename: 'ReplicaMovedEvent', ...identity, toAttempt, replica }
    }
    case 'priorityChanged':
      return { __typename: 'PriorityChangedEvent', ...identity, priority: event.priority }
    case 'logTorn':
      return { __typename: 'LogTornEvent', ...identity, toAttempt: event.toAttempt, bytes: event.bytes }
    default:
      return event satisfies never
  }
}

function failureOf({ code, message, fix, step, nonFinite }: Extract<SharedEvent, { type: 'failed' | 'runFailed' }>) {
  return { code, message, fix, step, nonFinite }
}
