// Writes a file so that it is there whole or not at all, piece by piece, and hashes it on the way.
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFolder } from '../disk.ts'
import { markUnfinished } from './unfinished.ts'
import { writeHashed, type Pieces, type WrittenFile } from './write-pieces.ts'

export type { Pieces } from './write-pieces.ts'

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
  const handle = await open(file, 'w')
  try {
    return await writeHashed(handle, pieces, onWritten)
  } finally {
    await handle.close()
  }
}
