// The measurements of epochs in the database.
import type { Database } from '../database/database.ts'
import type { EpochClassesRecord } from './epoch-classes.payload.ts'
import type { EpochMetricsRecord } from './epoch-metrics.payload.ts'

export interface EpochKey {
  runId: string
  attempt: number
  epoch: number
}

export interface EpochMetricsStore {
  find(key: EpochKey): Promise<EpochMetricsRecord | null>
  /** Of several runs, each in order of attempt and epoch. */
  list(runIds: readonly string[]): Promise<EpochMetricsRecord[]>
  /** Of several epochs, in any order. */
  listClasses(keys: readonly EpochKey[]): Promise<(EpochKey & EpochClassesRecord)[]>
}

/** What may be large stays in the database until it is asked for. */
const omit = { classImages: true, classCorrect: true, confusion: true } as const

export function createEpochMetricsStore({ prisma }: Database): EpochMetricsStore {
  return {
    find: (key) => prisma.epochMetrics.findUnique({ where: { runId_attempt_epoch: key }, omit }),
    list: (runIds) =>
      prisma.epochMetrics.findMany({
        where: { runId: { in: [...runIds] } },
        omit,
        orderBy: [{ runId: 'asc' }, { attempt: 'asc' }, { epoch: 'asc' }],
      }),
    listClasses: (keys) =>
      prisma.epochMetrics.findMany({
        where: { OR: [...keys] },
        select: { runId: true, attempt: true, epoch: true, classImages: true, classCorrect: true, confusion: true },
      }),
  }
}
