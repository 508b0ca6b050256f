// Checkpoints in the database.
import type { PageRequest } from '../page.ts'
import type { Database } from '../database/database.ts'
import type { CheckpointPosition, CheckpointRecord } from './checkpoint.record.ts'

export interface CheckpointStore {
  find(key: { runId: string; name: string }): Promise<CheckpointRecord | null>
  page(page: PageRequest<CheckpointPosition>, runId: string | null): Promise<CheckpointRecord[]>
  count(runId: string | null): Promise<number>
  /** The one written last. */
  findLast(runId: string): Promise<CheckpointRecord | null>
}

export function createCheckpointStore({ prisma }: Database): CheckpointStore {
  return {
    find: (key) => prisma.checkpoint.findUnique({ where: { runId_name: key } }),
    async page({ limit, from, after, before }, runId) {
      const front = from === 'front'
      const rows = await prisma.checkpoint.findMany({
        where: {
          AND: [
            runId === null ? {} : { runId },
            after === null
              ? {}
              : { OR: [{ runId: { lt: after.runId } }, { runId: after.runId, cursor: { gt: after.cursor } }] },
            before === null
              ? {}
              : { OR: [{ runId: { gt: before.runId } }, { runId: before.runId, cursor: { lt: before.cursor } }] },
          ],
        },
        orderBy: front ? [{ runId: 'desc' }, { cursor: 'asc' }] : [{ runId: 'asc' }, { cursor: 'desc' }],
        take: limit + 1,
      })
      return front ? rows : rows.reverse()
    },
    findLast: (runId) => prisma.checkpoint.findFirst({ where: { runId }, orderBy: { cursor: 'desc' } }),
    count: (runId) => prisma.checkpoint.count(runId === null ? undefined : { where: { runId } }),
  }
}
