// The record of an epoch's measurements, and how its GraphQL type shows it.
import { globalId } from '../node.type.ts'
import type { EpochMetrics } from './epoch-metrics.type.ts'

export interface EpochMetricsRecord {
  runId: string
  attempt: number
  epoch: number
  step: number
  trainLoss: number | null
  validationLoss: number | null
  accuracy: number | null
  top5Accuracy: number | null
  nonFinite: boolean
  /** A later attempt has trained these steps anew. */
  superseded: boolean
  imagesPerSecond: number
  learningRate: number
  userSeconds: number
  systemSeconds: number
  wallSeconds: number
}

/** The key behind the global id of an epoch's metrics. */
export function epochMetricsKey({ runId, attempt, epoch }: { runId: string; attempt: number; epoch: number }): string {
  return `${runId}/${attempt}/${epoch}`
}

/** The parts of such a key; null where it is none. */
export function findEpochMetricsParts(key: string): { runId: string; attempt: number; epoch: number } | null {
  const match = /^([^/]+)\/(\d{1,9})\/(\d{1,9})$/.exec(key)
  return match === null ? null : { runId: match[1] ?? '', attempt: Number(match[2]), epoch: Number(match[3]) }
}

export function epochMetricsPayload(record: EpochMetricsRecord): EpochMetrics {
  const { attempt, epoch, step, trainLoss, validationLoss, accuracy, top5Accuracy } = record
  const { nonFinite, superseded } = record
  const { imagesPerSecond, learningRate, userSeconds, systemSeconds, wallSeconds } = record
  return {
    __typename: 'EpochMetrics',
    key: epochMetricsKey(record),
    runKey: record.runId,
    id: globalId('EpochMetrics', epochMetricsKey(record)),
    runId: globalId('Run', record.runId),
    attempt,
    epoch,
    step,
    trainLoss,
    validationLoss,
    accuracy,
    top5Accuracy,
    nonFinite,
    superseded,
    imagesPerSecond,
    learningRate,
    userSeconds,
    systemSeconds,
    wallSeconds,
  }
}
