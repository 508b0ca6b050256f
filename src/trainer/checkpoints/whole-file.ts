// Writes a file so that it is there whole or not at all, piece by piece, and hashes it on the way.
import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder } from '../disk.ts'
import { markUnfinished } from './unfinished.ts'

export interface WrittenFile {
  bytes: number
  sha256: string
}

export type Pieces = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/**
 * Into a temporary file beside `file`, flushed, renamed, the folder flushed. A file of that name is replaced then, and
 * not before. Where it fails, the temporary file is gone.
 */
export async function writeWholeFile(
  file: string,
  pieces: Pieces,
  onWritten: (bytes: number) => void = () => undefined,
): Promise<WrittenFile> {
  const temporary = join(dirname(file), `.trainql-${process.pid}.tmp`)
  const unmark = markUnfinished(temporary)
  try {
    const written = await write(temporary, pieces, onWritten)
    await rename(temporary, file)
    await syncFolder(dirname(file))
    return written
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  } finally {
    unmark()
  }
}

async function write(file: string, pieces: Pieces, onWritten: (bytes: number) => void): Promise<WrittenFile> {
  const hash = createHash('sha256')
  const handle = await open(file, 'w')
  try {
    let bytes = 0
    for await (const piece of pieces) {
      // The disk and the hash take their time at once.
      const writing = handle.writeFile(piece)
      hash.update(piece)
      await writing
      bytes += piece.length
      onWritten(bytes)
    }
    await handle.sync()
    return { bytes, sha256: hash.digest('hex') }
  } finally {
    await handle.close()
  }
}
