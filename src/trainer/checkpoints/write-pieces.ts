// Writes a file piece by piece: the next one is made while the disk takes the last.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

export type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Smaller pieces are put together first: a call into the thread pool costs more than copying them. */
const smallBytes = 256 * 1024

/** Writes on their way at once: two cores copy into the system's memory faster than one. */
const writesAbreast = 2

/**
 * @param onPiece called with each run of bytes while it is on its way to the disk, such as to hash it.
 * @returns the number of bytes.
 */
export async function writePieces(
  handle: FileHandle,
  pieces: Pieces,
  onPiece: (piece: Uint8Array) => void = () => undefined,
): Promise<number> {
  let bytes = 0
  const writing: Promise<void>[] = []
  try {
    for await (const piece of gather(pieces)) {
      if (writing.length === writesAbreast) await writing.shift()
      const write = writeAll(handle, piece, bytes)
      // It is waited for further on; that it failed may be known before.
      write.catch(() => undefined)
      writing.push(write)
      onPiece(piece)
      bytes += piece.length
    }
    await Promise.all(writing)
  } finally {
    // Also where making a piece failed: the handle is not closed under a write.
    await Promise.allSettled(writing)
  }
  return bytes
}

/** In as few calls as the system takes: `writeFile` would go through the thread pool for every half a megabyte. */
async function writeAll(handle: FileHandle, piece: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < piece.length;)
    done += (await handle.write(piece, done, piece.length - done, position + done)).bytesWritten
}

export interface WrittenFile {
  bytes: number
  sha256: string
}

/** As `writePieces`, then flushed to the disk. @param onWritten called with the bytes so far. */
export async function writeHashed(
  handle: FileHandle,
  pieces: Pieces,
  onWritten: (bytes: number) => void = () => undefined,
): Promise<WrittenFile> {
  const hash = createHash('sha256')
  let begun = 0
  const bytes = await writePieces(handle, pieces, (piece) => {
    hash.update(piece)
    begun += piece.length
    onWritten(begun)
  })
  await handle.sync()
  return { bytes, sha256: hash.digest('hex') }
}

/** Small pieces put together, in rooms by turns: while some are written another is filled. */
async function* gather(pieces: Pieces): AsyncGenerator<Uint8Array> {
  const rooms = Array.from({ length: writesAbreast + 1 }, () => Buffer.allocUnsafeSlow(2 * smallBytes))
  let turn = 0
  let used = 0
  const filled = (): Buffer => {
    const room = rooms[turn] as Buffer
    turn = (turn + 1) % rooms.length
    const run = room.subarray(0, used)
    used = 0
    return run
  }
  for await (const piece of pieces) {
    const small = piece.length < smallBytes
    if (used > 0 && (!small || used + piece.length > 2 * smallBytes)) yield filled()
    if (small) {
      ;(rooms[turn] as Buffer).set(piece, used)
      used += piece.length
    } else yield piece
  }
  if (used > 0) yield filled()
}
