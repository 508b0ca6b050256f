// Checkpoints that a killed trainer had set aside and not freed. While the run can go on they are its next attempt's to tell
// of and to free; of one that has ended, the server's.
import { existsSync } from 'node:fs'
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import { checkpointsFolder, pinFile, trashPrefix } from '../../shared/run-directory.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import { nullWhereAbsent } from '../durable-files.ts'
import type { Log } from '../log.ts'
import type { OwnLog } from './run-log.ts'

export interface SetAsideDeps {
  checkpoints: CheckpointService
  log: Log
}

/** Says of each that it is gone, where its trainer had not come to say so, and frees it. One that is pinned is back. */
export async function freeSetAside(deps: SetAsideDeps, own: OwnLog): Promise<void> {
  for (const name of await listSetAside(own.directory)) await freeOne(deps, own, name)
}

/** Names of the checkpoints. */
export async function listSetAside(directory: string): Promise<string[]> {
  const entries = (await readdir(checkpointsFolder(directory)).catch(nullWhereAbsent)) ?? []
  return entries.flatMap((entry) => (entry.startsWith(trashPrefix) ? [entry.slice(trashPrefix.length)] : []))
}

async function freeOne({ checkpoints, log }: SetAsideDeps, own: OwnLog, name: string): Promise<void> {
  const { runId, directory } = own
  const aside = join(checkpointsFolder(directory), `${trashPrefix}${name}`)
  const known = await checkpoints.find(checkpointReferenceText({ kind: 'RUN', runId, name }))
  try {
    if (existsSync(pinFile(directory, name))) {
      await rename(aside, join(checkpointsFolder(directory), name))
      return
    }
    if (known?.deletedAt === null) await own.append({ type: 'checkpointDeleted', name })
    await rm(aside, { recursive: true, force: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error
    log.warn(`The room of checkpoint ${runId}/${name} is not free yet: ${String(error)}; the next start tries again.`)
  }
}
