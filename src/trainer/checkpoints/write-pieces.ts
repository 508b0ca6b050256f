// Writes a file piece by piece: the next one is made while the disk takes the last.
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'

export type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Smaller pieces are put together first: a call into the thread pool costs more than copying them. */
const smallBytes = 256 * 1024

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
  let writing: Promise<unknown> = Promise.resolve()
  try {
    for await (const piece of gather(pieces)) {
      await writing
      writing = handle.writeFile(piece)
      // It is waited for further on; that it failed may be known before.
      writing.catch(() => undefined)
      onPiece(piece)
      bytes += piece.length
    }
  } finally {
    // Also where making a piece failed: the handle is not closed under a write.
    await writing
  }
  return bytes
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

async function* gather(pieces: Pieces): AsyncGenerator<Uint8Array> {
  let room = Buffer.alloc(0)
  let used = 0
  for await (const piece of pieces) {
    const small = piece.length < smallBytes
    if (used > 0 && (!small || used + piece.length > room.length)) {
      yield room.subarray(0, used)
      used = 0
      room = Buffer.alloc(0)
    }
    if (!small) yield piece
    else {
      // New each time: what was handed on is being written.
      if (room.length === 0) room = Buffer.allocUnsafeSlow(2 * smallBytes)
      room.set(piece, used)
      used += piece.length
    }
  }
  if (used > 0) yield room.subarray(0, used)
}
