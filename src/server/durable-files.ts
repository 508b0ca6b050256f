// Files that are on the disk before they count, whole under their name or not there, and what a full disk is called.
import { open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { TrainqlError } from '../shared/errors.ts'

/** Flushed; a reader may see it half written. */
export async function writeDurably(path: string, text: string | Uint8Array, mode = 0o666): Promise<void> {
  const file = await open(path, 'w', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** In place of what was there: a reader sees the old text or the new one. */
export async function replaceDurably(path: string, text: string | Uint8Array, mode?: number): Promise<void> {
  const unfinished = `${path}.unfinished`
  try {
    await writeDurably(unfinished, text, mode)
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw diskFullOr(error)
  }
  await syncPath(dirname(path))
}

/** Makes a file's bytes, or the names in a folder, durable. */
export async function syncPath(path: string): Promise<void> {
  const opened = await open(path, 'r')
  try {
    await opened.sync()
  } finally {
    await opened.close()
  }
}

/** The error itself, or, where the disk or the quota is full, the typed one. */
export function diskFullOr(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new TrainqlError(
    {
      code: 'DISK_FULL',
      message: 'The disk that holds the data directory is full.',
      fix: 'Free space there, or set TRAINQL_HOME to a folder on another disk.',
    },
    { cause: error },
  )
}

/** For `catch`: a file that is absent is null, every other error stays one. */
export function nullWhereAbsent(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
  throw error
}
