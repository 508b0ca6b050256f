// The course of one run: its attempts, and at which place of its stream each event stands. Steps, epochs and checkpoints are
// only counted here: they are millions, and the database makes them itself from the attempts.
import type { RunEvent, ServerEvent, TrainerEvent, Unidentified } from '../../src/shared/events.ts'
import { checkpointName } from '../../src/shared/run-directory.ts'
import type { RunSpec } from '../../src/shared/run-spec.ts'

export type End = 'SUCCEEDED' | 'FAILED' | 'CANCELED' | 'PAUSED' | 'QUEUED'

export interface AttemptCourse {
  attempt: number
  /** Global steps that were done before it, whole epochs. */
  startStep: number
  /** Name of the run's checkpoint that it went on from; null: it began with the run. */
  resumedFrom: string | null
  /** Whole epochs too. */
  steps: number
  /** Of `started`, its first event; behind it come the steps, and behind each epoch its event and its checkpoint. */
  startedCursor: number
  startedAt: Date
}

export interface Course {
  stepsPerEpoch: number
  /** Of the spec, whether they were taken or not. */
  steps: number
  attempts: AttemptCourse[]
  /** Every event but epochs and checkpoints; of the steps the last of each attempt. */
  tell(spec: RunSpec, devices: readonly string[]): { cursor: number; event: RunEvent }[]
}

export interface CourseWish {
  end: End
  epochs: number
  stepsPerEpoch: number
  /** Its first trainer died, and a second went on. */
  retried: boolean
  createdAt: Date
}

export const secondsPerStep = 0.25
const eventsBehindEpoch = 2
const classNames = ['ring', 'arc', 'square', 'cross', 'star', 'bar', 'dot', 'wave', 'grid', 'leaf']
export const classCount = classNames.length

export function courseOf({ end, epochs, stepsPerEpoch, retried, createdAt }: CourseWish): Course {
  const done = end === 'SUCCEEDED' ? epochs : Math.ceil(epochs / 2)
  const died = Math.ceil(done * 0.6)
  // The second goes on one epoch before the first died.
  const turns = end === 'QUEUED' ? [] : retried ? [[0, died] as const, [died - 1, done] as const] : [[0, done] as const]
  const attempts: AttemptCourse[] = []
  // Behind `queued`, and then behind what ends an attempt: its last word, `released` and `retryScheduled`.
  let cursor = 1
  let at = createdAt.getTime() + 1_000
  turns.forEach(([from, to], index) => {
    const steps = (to - from) * stepsPerEpoch
    attempts.push({
      ...{ attempt: index + 1, startStep: from * stepsPerEpoch, steps },
      resumedFrom: index === 0 ? null : checkpointName(index, from * stepsPerEpoch),
      ...{ startedCursor: cursor + 2, startedAt: new Date(at) },
    })
    cursor += 2 + steps + eventsBehindEpoch * (to - from) + 3
    at += steps * secondsPerStep * 1000 + 10_000
  })
  const steps = epochs * stepsPerEpoch
  return {
    stepsPerEpoch,
    steps,
    attempts,
    tell: (spec, devices) => tell({ end, attempts, stepsPerEpoch, createdAt }, spec, devices),
  }
}

type Told = Pick<CourseWish, 'end' | 'stepsPerEpoch' | 'createdAt'> & { attempts: AttemptCourse[] }

function tell({ end, attempts, stepsPerEpoch, createdAt }: Told, spec: RunSpec, devices: readonly string[]) {
  const run = spec.runId
  const told: { cursor: number; event: RunEvent }[] = []
  let serverSeq = 0
  let behind = { attempt: 0, seq: 0 }
  const server = (cursor: number, at: Date, event: Unidentified<ServerEvent>): void => {
    serverSeq += 1
    told.push({ cursor, event: { run, attempt: 0, seq: serverSeq, at: at.toISOString(), behind, ...event } })
  }
  server(1, createdAt, { type: 'queued', plan: null })
  attempts.forEach((course, index) => {
    const { attempt, startedAt, startedCursor, startStep, steps } = course
    const trainer = (cursor: number, at: Date, event: Unidentified<TrainerEvent>): void => {
      const seq = 1 + cursor - startedCursor
      behind = { attempt, seq }
      told.push({ cursor, event: { run, attempt, seq, at: at.toISOString(), ...event } })
    }
    const endedAt = new Date(startedAt.getTime() + steps * secondsPerStep * 1000)
    const last = startedCursor + steps + eventsBehindEpoch * (steps / stepsPerEpoch)
    const step = startStep + steps
    server(startedCursor - 1, startedAt, {
      type: 'leased',
      toAttempt: attempt,
      devices: [...devices],
      backfilledUntil: null,
    })
    trainer(startedCursor, startedAt, startedEvent(spec, devices, stepsPerEpoch))
    const figures = { loss: 0.25, nonFinite: false, learningRate: spec.learningRate, imagesPerSecond: 1024 }
    trainer(last, endedAt, { type: 'step', epoch: step / stepsPerEpoch, step, ...figures })
    const checkpoint = checkpointName(attempt, step)
    const isLast = index === attempts.length - 1
    const released = { type: 'released' as const, toAttempt: attempt, devices: [...devices], fault: null }
    const died = { code: 'TRAINER_DIED', message: 'The trainer was killed.', fix: 'Resume the run.', step }
    if (!isLast) {
      trainer(last + 1, endedAt, { type: 'failed', ...died, nonFinite: false, lastCheckpoint: checkpoint })
      server(last + 2, endedAt, released)
      const resumed = checkpointName(attempt, step - stepsPerEpoch)
      server(last + 3, endedAt, {
        type: 'retryScheduled',
        ...died,
        checkpoint: resumed,
        notBefore: endedAt.toISOString(),
      })
      return
    }
    switch (end) {
      case 'SUCCEEDED':
        trainer(last + 1, endedAt, { type: 'finished', epochs: spec.epochs, step, wallSeconds: steps * secondsPerStep })
        server(last + 2, endedAt, released)
        server(last + 3, endedAt, { type: 'succeeded' })
        return
      case 'FAILED':
        trainer(last + 1, endedAt, { type: 'failed', ...died, nonFinite: false, lastCheckpoint: checkpoint })
        server(last + 2, endedAt, released)
        server(last + 3, endedAt, { type: 'runFailed', ...died, nonFinite: false })
        return
      case 'CANCELED':
        trainer(last + 1, endedAt, { type: 'stopped', step, lastCheckpoint: checkpoint })
        server(last + 2, endedAt, { type: 'cancelRequested' })
        server(last + 3, endedAt, released)
        server(last + 4, endedAt, { type: 'canceled' })
        return
      case 'PAUSED':
        trainer(last + 1, endedAt, { type: 'stopped', step, lastCheckpoint: checkpoint })
        server(last + 2, endedAt, released)
        server(last + 3, endedAt, { type: 'pauseRequested', reason: 'USER' })
        server(last + 4, endedAt, { type: 'paused', reason: 'USER', checkpoint })
        return
      case 'QUEUED':
        return
      default:
        end satisfies never
    }
  })
  return told
}

function startedEvent(spec: RunSpec, devices: readonly string[], stepsPerEpoch: number): Unidentified<TrainerEvent> {
  const { shards, globalBatch, epochs } = spec
  return {
    ...{
      type: 'started',
      engine: 'native',
      engineDetail: 'avx512',
      devices: [...devices],
      shards,
      globalBatch,
      epochs,
    },
    ...{ stepsPerEpoch, parameters: 11_181_642, trainImages: stepsPerEpoch * globalBatch, validationImages: 10_000 },
    ...{ skippedImages: 0, precision: 'FP32', accumulationSteps: 1, syncBatchNorm: false, memoryBytes: 2 ** 29 },
    ...{ classNames, channels: 1, pid: 1 },
  }
}
