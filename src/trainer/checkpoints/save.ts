// Writes a checkpoint so that it is there whole or not at all, whenever the process or the machine stops.
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { diskFullOr, syncFolder } from '../disk.ts'
import { manifestFile, optimizerFile, weightsFile, type FileRecord, type Manifest } from './manifest.ts'
import { safetensorsPieces, type TensorSource } from './state-dict.ts'
import { markUnfinished } from './unfinished.ts'
import { writeHashed, type Pieces } from './write-pieces.ts'

export interface CheckpointContent {
  manifest: Omit<Manifest, 'files'>
  /** May be read as it is written. */
  state: TensorSource
  /** Null exactly where the manifest has no optimiser. */
  optimizerState: { step: number; tensors: TensorSource } | null
  /** Called once all is on the disk, just before it gets its name; where it throws, nothing is left. */
  confirm?: () => void
}

export interface SavedCheckpoint {
  name: string
  /** All files together. */
  bytes: number
  /** Of the weights file. */
  sha256: string
}

const temporaryPrefix = '.tmp-'

/**
 * Files into a temporary folder, each flushed; the folder flushed; renamed to `name`; the parent flushed. Only then
 * does this return.
 * @throws TrainqlError `DISK_FULL`; the temporary folder is gone then.
 */
export async function saveCheckpoint(
  folder: string,
  name: string,
  { manifest, state, optimizerState, confirm }: CheckpointContent,
): Promise<SavedCheckpoint> {
  const temporary = join(folder, `${temporaryPrefix}${name}`)
  const unmark = markUnfinished(temporary)
  try {
    await mkdir(temporary, { recursive: true })
    const weights = await writeFile(join(temporary, weightsFile), safetensorsPieces(state))
    const optimizer =
      optimizerState && (await writeFile(join(temporary, optimizerFile), safetensorsPieces(optimizerState.tensors)))
    const files = { [weightsFile]: weights, ...(optimizer === null ? {} : { [optimizerFile]: optimizer }) }
    const complete: Manifest = { ...manifest, files }
    const record = await writeFile(join(temporary, manifestFile), [
      Buffer.from(`${JSON.stringify(complete, null, 2)}\n`),
    ])
    await syncFolder(temporary)
    confirm?.()
    await rename(temporary, join(folder, name))
    await syncFolder(folder)
    return { name, bytes: weights.bytes + (optimizer?.bytes ?? 0) + record.bytes, sha256: weights.sha256 }
  } catch (error) {
    await rm(temporary, { recursive: true, force: true })
    throw diskFullOr(error, folder)
  } finally {
    unmark()
  }
}

/** Removes what killed processes left half written. `isOver` says whether nobody writes for an attempt any more. */
export async function removeUnfinished(folder: string, isOver: (attempt: number) => boolean): Promise<void> {
  for (const name of await readdir(folder)) {
    const attempt = /^\.tmp-(\d+)-/.exec(name)?.[1]
    if (attempt === undefined || !isOver(Number(attempt))) continue
    await rm(join(folder, name), { recursive: true, force: true })
  }
}

async function writeFile(file: string, pieces: Pieces): Promise<FileRecord> {
  const handle = await open(file, 'w')
  try {
    return await writeHashed(handle, pieces)
  } finally {
    await handle.close()
  }
}
