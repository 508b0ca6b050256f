// Attempts of runs, and the runs that were made from them, in the database; of several runs at a time.
import type { Database } from '../database/database.ts'
import type { RunAttemptRecord } from './run.record.ts'

export interface RunCourseStore {
  /** Each run's in order. */
  listAttempts(runIds: readonly string[]): Promise<RunAttemptRecord[]>
  /** Ids of the runs that were made from these, oldest first. */
  listForks(runIds: readonly string[]): Promise<{ id: string; forkedFrom: string | null }[]>
}

export function createRunCourseStore({ prisma }: Database): RunCourseStore {
  return {
    listAttempts: (runIds) =>
      prisma.attempt.findMany({
        where: { runId: { in: [...runIds] } },
        orderBy: [{ runId: 'asc' }, { number: 'asc' }],
      }),
    listForks: (runIds) =>
      prisma.run.findMany({
        where: { forkedFrom: { in: [...runIds] } },
        select: { id: true, forkedFrom: true },
        orderBy: { id: 'asc' },
      }),
  }
}
