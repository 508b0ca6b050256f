// The measurements of epochs in the database.
import type { Database } from '../database/database.ts'
import type { EpochMetricsRecord } from './epoch-metrics.payload.ts'

export interface EpochMetricsStore {
  find(key: { runId: string; attempt: number; epoch: number }): Promise<EpochMetricsRecord | null>
  /** Of several runs, each in order of attempt and epoch. */
  list(runIds: readonly string[]): Promise<EpochMetricsRecord[]>
}

export function createEpochMetricsStore({ prisma }: Database): EpochMetricsStore {
  return {
    find: (key) => prisma.epochMetrics.findUnique({ where: { runId_attempt_epoch: key } }),
    list: (runIds) =>
      prisma.epochMetrics.findMany({
        where: { runId: { in: [...runIds] } },
        orderBy: [{ runId: 'asc' }, { attempt: 'asc' }, { epoch: 'asc' }],
      }),
  }
}
