// Brings what is known of imported checkpoints up to date with their files, whichever is older.
import type { Log } from '../log.ts'
import type { CheckpointRecord, ImportedCheckpointRecord } from './checkpoint.record.ts'
import type { CheckpointStore } from './checkpoint.store.ts'
import type { ImportedFiles } from './imported-files.ts'

export interface ImportStockDeps {
  store: Pick<CheckpointStore, 'listImported' | 'put'>
  files: Pick<ImportedFiles, 'list'>
  log: Log
  now: () => Date
}

export async function takeStock({ store, files, log, now }: ImportStockDeps): Promise<void> {
  const { records, unreadable } = await files.list()
  for (const { id, error } of unreadable) {
    log.error(`The imported checkpoint ${id} cannot be read; it is left as it is.`, error)
  }
  const known = new Map((await store.listImported()).map((record) => [record.key, record]))
  for (const record of records) {
    if (!sameState(record, known.get(record.key))) await store.put(record)
    known.delete(record.key)
  }
  // Their files were removed by hand.
  for (const record of known.values()) {
    if (record.deletedAt === null) await store.put({ ...record, deletedAt: now() })
  }
}

/** Everything else about an import never changes. */
function sameState(record: ImportedCheckpointRecord, known: CheckpointRecord | undefined): boolean {
  return known?.pinned === record.pinned && known.deletedAt?.getTime() === record.deletedAt?.getTime()
}
