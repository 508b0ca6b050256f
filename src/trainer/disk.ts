// Writing files so that a crash leaves the old one or the new one, and what to do when the disk is full.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
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

/** Space set aside while there is some, so that a run on a full disk can still write its log and say how it ended. */
export interface DiskReserve {
  /** Frees a part for the log to go on; false where what is left is for the last words. */
  lend(): boolean
  /** Takes back what was lent, as far as there is room again. */
  restore(): void
  /** Frees the rest; true the first time. */
  release(): boolean
}

/** For a log that nobody's disk is short of. */
export const noReserve: DiskReserve = { lend: () => false, restore: () => undefined, release: () => false }

const pieceBytes = 64 * 1024
const lastWordsBytes = 256 * 1024

/**
 * @param lendBytes Beyond the room for the last words; whole pieces of 64 KiB.
 * @throws TrainqlError `DISK_FULL`
 */
export function reserveDisk(file: string, lendBytes = 0): DiskReserve {
  const fullBytes = lastWordsBytes + lendBytes
  let heldBytes = 0
  try {
    extend(file, fullBytes)
    heldBytes = fullBytes
  } catch (error) {
    rmSync(file, { force: true })
    throw diskFullOr(error, dirname(file))
  }
  return {
    lend() {
      // Somebody may have made the room himself.
      if (heldBytes <= lastWordsBytes || !existsSync(file)) return false
      heldBytes -= pieceBytes
      truncateSync(file, heldBytes)
      return true
    },
    restore() {
      if (heldBytes === 0 || heldBytes === fullBytes) return
      try {
        extend(file, fullBytes)
        heldBytes = fullBytes
      } catch (error) {
        truncateSync(file, heldBytes)
        if (!isDiskFull(error)) throw error
      }
    },
    release() {
      if (heldBytes === 0) return false
      heldBytes = 0
      const existed = existsSync(file)
      rmSync(file, { force: true })
      return existed
    },
  }
}

/** With random bytes, so that a file system that compresses cannot make it small. */
function extend(file: string, toBytes: number): void {
  const descriptor = openSync(file, 'a')
  try {
    const noise = randomFillSync(Buffer.alloc(toBytes - fstatSync(descriptor).size))
    for (let written = 0; written < noise.length;) written += writeSync(descriptor, noise, written)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
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
