// A file of unknown origin, read by position: what lies beyond its end is an error that a user can act on.
import { constants, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { TrainqlError } from '../../../shared/errors.ts'

export interface FileBytes {
  /** Names the file in errors. */
  readonly what: string
  readonly bytes: number
  /**
   * Fills all of `target` from `position` on.
   * @throws TrainqlError `CHECKPOINT_INVALID` where the file ends before.
   */
  read(target: Uint8Array, position: number): Promise<void>
  /** As `read`, for pieces so small that a thread of their own would cost more than they do. */
  readSync(target: Uint8Array, position: number): void
  close(): Promise<void>
}

const aheadBytes = 32 * 1024

/** @throws TrainqlError `CHECKPOINT_INVALID` where there is no such file, or it may not be read. */
export async function openBytes(path: string): Promise<FileBytes> {
  // Without waiting for the other end of a pipe.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw invalidFile(path, 'a readable file', error instanceof Error ? error.message : String(error))
  })
  const stat = await handle.stat()
  if (!stat.isFile()) {
    await handle.close()
    throw invalidFile(path, 'a file', stat.isDirectory() ? 'a folder' : 'something else')
  }
  const bytes = stat.size
  const ended = (position: number) => invalidFile(path, `${bytes} bytes`, `the end of the file at ${position}`)
  /** What small pieces are taken from: headers and small tensors lie close together. */
  let ahead = Buffer.alloc(0)
  let aheadAt = 0
  const fillSync = (target: Uint8Array, position: number) => {
    for (let done = 0; done < target.length;) {
      const bytesRead = readSync(handle.fd, target, done, target.length - done, position + done)
      if (bytesRead === 0) throw ended(position + done)
      done += bytesRead
    }
  }
  return {
    what: path,
    bytes,
    async read(target, position) {
      for (let done = 0; done < target.length;) {
        const { bytesRead } = await handle.read(target, done, target.length - done, position + done)
        if (bytesRead === 0) throw ended(position + done)
        done += bytesRead
      }
    },
    readSync(target, position) {
      if (target.length > aheadBytes) {
        fillSync(target, position)
        return
      }
      const offset = position - aheadAt
      if (offset < 0 || offset + target.length > ahead.length) {
        const known = Math.min(aheadBytes, bytes - position)
        if (known < target.length) throw ended(bytes)
        ahead = Buffer.allocUnsafeSlow(known)
        aheadAt = position
        fillSync(ahead, position)
      }
      target.set(ahead.subarray(position - aheadAt, position - aheadAt + target.length))
    },
    close: () => handle.close(),
  }
}

/** The error of every reader here: the file as it is cannot be used. */
export function invalidFile(
  what: string,
  expected: string,
  found: string,
  fix = 'Use an undamaged file: copy or download it again, or save it anew.',
): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `${what}: expected ${expected}; found ${found}.`,
    fix,
  })
}
