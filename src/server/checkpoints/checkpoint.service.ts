// What is known of checkpoints. Their files are the trainer's; here is the index of them.
import type { PageRequest } from '../page.ts'
import { type CheckpointPosition, type CheckpointRecord, findCheckpointParts } from './checkpoint.record.ts'
import type { CheckpointStore } from './checkpoint.store.ts'

export interface CheckpointService {
  /** By the key behind its global id. */
  find(key: string): Promise<CheckpointRecord | null>
  /** Newest run first, in it oldest first; of one run where `runId` is given. Up to `limit + 1` rows. */
  page(page: PageRequest<CheckpointPosition>, runId: string | null): Promise<CheckpointRecord[]>
  count(runId: string | null): Promise<number>
  /** The one written last. */
  findLast(runId: string): Promise<CheckpointRecord | null>
}

export function createCheckpointService(store: CheckpointStore): CheckpointService {
  return {
    async find(key) {
      const parts = findCheckpointParts(key)
      return parts === null ? null : store.find(parts)
    },
    page: (page, runId) => store.page(page, runId),
    findLast: (runId) => store.findLast(runId),
    count: (runId) => store.count(runId),
  }
}
