// What is known of checkpoints: the index of them. What is done to them is in the services beside this one.
import { findCheckpointReference } from '../../shared/checkpoint-reference.ts'
import { TrainqlError } from '../../shared/errors.ts'
import type { PageRequest } from '../page.ts'
import type { CheckpointPosition, CheckpointRecord } from './checkpoint.record.ts'
import type { CheckpointFilter, CheckpointStore } from './checkpoint.store.ts'

export type { CheckpointFilter } from './checkpoint.store.ts'

export interface CheckpointService {
  /** By the key behind its global id; one that is deleted too. */
  find(key: string): Promise<CheckpointRecord | null>
  findMany(keys: readonly string[]): Promise<CheckpointRecord[]>
  /** @throws TrainqlError `NOT_FOUND` where there is none, or no more */
  get(key: string): Promise<CheckpointRecord>
  /** Newest run or import first, in a run oldest first, none that is deleted. Up to `limit + 1` rows. */
  page(page: PageRequest<CheckpointPosition>, filter: CheckpointFilter): Promise<CheckpointRecord[]>
  count(filter: CheckpointFilter): Promise<number>
  /** The one that a run wrote last, of those that are there. */
  findLast(runId: string): Promise<CheckpointRecord | null>
  /** Names of those of a run that are there. */
  listNames(runId: string): Promise<string[]>
}

export function createCheckpointService(store: CheckpointStore): CheckpointService {
  async function find(key: string): Promise<CheckpointRecord | null> {
    if (findCheckpointReference(key) === null) return null
    return (await store.findMany([key]))[0] ?? null
  }
  return {
    find,
    findMany: (keys) => store.findMany(keys),
    async get(key) {
      const record = await find(key)
      if (record === null || record.deletedAt !== null) throw unknownCheckpoint(key, record?.deletedAt ?? null)
      return record
    },
    page: (page, filter) => store.page(page, filter),
    count: (filter) => store.count(filter),
    findLast: (runId) => store.findLast(runId),
    listNames: (runId) => store.listNames(runId),
  }
}

function unknownCheckpoint(key: string, deletedAt: Date | null): TrainqlError {
  return new TrainqlError({
    code: 'NOT_FOUND',
    message:
      deletedAt === null
        ? `There is no checkpoint ${JSON.stringify(key)}.`
        : `The checkpoint ${JSON.stringify(key)} was deleted at ${deletedAt.toISOString()}.`,
    fix: 'Take the id of one that the query `checkpoints` lists.',
  })
}
