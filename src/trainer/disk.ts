// Writing files so that a crash leaves the old one or the new one, and what to do when the disk is full.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { randomFillSync } from 'node:crypto'
import { dirname } from 'node:path'
import { TrainqlError } from '../shared/errors.ts'

/** Writes all of `text` under a temporary name, flushes it to the disk and renames it into place. */
export function writeFileAtomically(file: string, text: string): void {
  const temporary = `${file}.tmp`
  const descriptor = openSync(temporary, 'w')
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, file)
}

/** Makes the names in a folder durable: a rename counts only once its folder is flushed. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Space set aside while there is some, so that a run on a full disk can still say what happened to it. */
export interface DiskReserve {
  /** Frees the space; true the first time. */
  release(): boolean
}

const reserveBytes = 256 * 1024

/** @throws TrainqlError `DISK_FULL` */
export function reserveDisk(file: string): DiskReserve {
  let held = true
  try {
    const descriptor = openSync(file, 'w')
    try {
      // Random, so that a file system that compresses cannot make it small.
      const noise = randomFillSync(Buffer.alloc(reserveBytes))
      for (let written = 0; written < noise.length;) written += writeSync(descriptor, noise, written)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  } catch (error) {
    rmSync(file, { force: true })
    throw diskFullOr(error, dirname(file))
  }
  return {
    release() {
      if (!held) return false
      held = false
      const existed = existsSync(file)
      rmSync(file, { force: true })
      return existed
    },
  }
}

export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}

/** The error itself, or, where the disk or the quota is full, the typed one. */
export function diskFullOr(error: unknown, folder: string): Error {
  if (!isDiskFull(error)) return error instanceof Error ? error : new Error(String(error), { cause: error })
  return new TrainqlError(
    {
      code: 'DISK_FULL',
      message: `Expected room to write in ${folder}; the disk or the quota is full.`,
      fix: 'Free some space, then start the run again.',
    },
    { cause: error },
  )
}
