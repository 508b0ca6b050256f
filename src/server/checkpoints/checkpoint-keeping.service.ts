// Keeping house: checkpoints are pinned, deleted and checked. What is decided about one of a run is an event of the run.
import { existsSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { checkpointFolder, parseCheckpointReference, runsFolder } from '../../shared/checkpoint-reference.ts'
import type { CheckpointVerification } from '../../shared/checkpoint-tool.ts'
import { TrainqlError } from '../../shared/errors.ts'
import type { ServerEvent, Unidentified } from '../../shared/events.ts'
import { pinFile } from '../../shared/run-directory.ts'
import type { Limit } from '../limit.ts'
import type { CheckpointWorker } from './checkpoint-worker.ts'
import type { CheckpointRecord, ImportedCheckpointRecord, RunCheckpointRecord } from './checkpoint.record.ts'
import type { CheckpointService } from './checkpoint.service.ts'
import type { CheckpointStore } from './checkpoint.store.ts'
import type { ImportedFiles } from './imported-files.ts'

export interface CheckpointKeepingService {
  /** @throws TrainqlError `NOT_FOUND` */
  pin(key: string, pinned: boolean): Promise<CheckpointRecord>
  /**
   * Removes its files; its record stays, for those that came from it.
   * @throws TrainqlError `NOT_FOUND`; `CONFLICT` where it is pinned, or a live run goes on from it
   */
  delete(key: string): Promise<CheckpointRecord>
  /** Hashes its files anew. @throws TrainqlError `NOT_FOUND` */
  verify(key: string): Promise<{ record: CheckpointRecord; verification: CheckpointVerification }>
  /** Removes what a crash left of checkpoints that users deleted. Once, at the start. */
  removeLeftovers(): Promise<void>
}

/** Writes events of the server's into a run's log; the scheduling room implements it. */
export interface RunRecorder {
  record(runId: string, decide: () => Promise<Unidentified<ServerEvent> | null>): Promise<void>
}

export interface CheckpointKeepingDeps {
  checkpoints: CheckpointService
  store: CheckpointStore
  files: ImportedFiles
  worker: CheckpointWorker
  recorder: RunRecorder
  /** Live runs whose latest attempt begins, or is to begin, with the checkpoint. */
  listUsers: (checkpoint: CheckpointRecord) => Promise<string[]>
  /** Taken one at a time with the creation of runs that begin with a checkpoint. */
  guard: Limit
  home: string
  now: () => Date
}

export function createCheckpointKeepingService(deps: CheckpointKeepingDeps): CheckpointKeepingService {
  const { checkpoints, store, files, worker, recorder, listUsers, guard, home, now } = deps
  const folderOf = (key: string): string => checkpointFolder(home, parseCheckpointReference(key))

  async function rewrite(record: ImportedCheckpointRecord): Promise<void> {
    await files.write(record)
    await store.put(record)
  }

  function pinOfRun({ key, runId, name }: RunCheckpointRecord, pinned: boolean): Promise<void> {
    const file = pinFile(join(runsFolder(home), runId), name)
    return recorder.record(runId, async () => {
      // The file first: from then on the trainer spares it. It may have gone just before.
      if (pinned) await writeFile(file, '')
      else await rm(file, { force: true })
      const current = await checkpoints.find(key)
      if (pinned && (current?.deletedAt !== null || !existsSync(folderOf(key)))) {
        await rm(file, { force: true })
        throw gone(key)
      }
      return current?.pinned === pinned ? null : { type: 'checkpointPinned', name, pinned }
    })
  }

  async function checkUnused(record: CheckpointRecord): Promise<void> {
    if (record.pinned) {
      throw new TrainqlError({
        code: 'CONFLICT',
        message: `The checkpoint ${record.key} is pinned.`,
        fix: 'Unpin it first, with pinCheckpoint(pinned: false).',
      })
    }
    const users = await listUsers(record)
    if (users.length === 0) return
    throw new TrainqlError({
      code: 'CONFLICT',
      message: `The checkpoint ${record.key} is what the run ${users.join(', ')} goes on from.`,
      fix: 'Wait for that run to end, or cancel it.',
    })
  }

  async function deleteOfRun(record: RunCheckpointRecord): Promise<void> {
    const { key, runId, name } = record
    await recorder.record(runId, async () => {
      await checkUnused(await checkpoints.get(key))
      return { type: 'checkpointDeleted', name }
    })
    await removeFolder(folderOf(key))
  }

  async function deleteImported(record: ImportedCheckpointRecord): Promise<void> {
    await checkUnused(record)
    await rewrite({ ...record, deletedAt: now() })
    await files.removeFolder(record.series)
  }

  return {
    async pin(key, pinned) {
      const record = await checkpoints.get(key)
      if (record.origin === 'RUN') await pinOfRun(record, pinned)
      else if (record.pinned !== pinned) await rewrite({ ...record, pinned })
      return checkpoints.get(key)
    },
    delete: (key) =>
      guard(async () => {
        const record = await checkpoints.get(key)
        if (record.origin === 'RUN') await deleteOfRun(record)
        else await deleteImported(record)
        return (await checkpoints.find(key)) ?? record
      }),
    async verify(key) {
      const record = await checkpoints.get(key)
      const { verification } = await worker.ask({ action: 'VERIFY', folder: folderOf(key) })
      return { record, verification }
    },
    async removeLeftovers() {
      // What a run's policy removes, its trainer has set aside before it says so.
      for (const key of await store.listDeletedByUsers()) await removeFolder(folderOf(key))
    },
  }
}

/** Whoever looks sees it whole or not at all. */
async function removeFolder(folder: string): Promise<void> {
  const going = join(dirname(folder), `.deleted-${basename(folder)}`)
  if (existsSync(folder)) await rename(folder, going)
  await rm(going, { recursive: true, force: true })
}

function gone(key: string): TrainqlError {
  return new TrainqlError({
    code: 'NOT_FOUND',
    message: `The checkpoint ${key} has just been removed.`,
    fix: 'Take one that the query `checkpoints` lists.',
  })
}
