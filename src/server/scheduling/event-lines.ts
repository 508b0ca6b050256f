// Reads an append-only file of JSON lines from a byte offset: whole lines only, however the writer's writes were cut.
import { open } from 'node:fs/promises'
import { TrainqlError } from '../../shared/errors.ts'

export interface EventLine {
  /** Parsed JSON. */
  value: unknown
  /** Bytes up to and with this line's newline. */
  end: number
}

const newline = 0x0a

/**
 * The whole lines behind `offset`, within about `limitBytes` (at least one line where there is one). A last line
 * without its newline is still being written, or was torn when its writer died; it is left for later. A file that is
 * absent holds none.
 * @throws TrainqlError `RUN_DIRECTORY_INVALID` for a whole line that is no JSON.
 */
export async function readEventLines(file: string, offset: number, limitBytes: number): Promise<EventLine[]> {
  const bytes = await readWholeLines(file, offset, limitBytes)
  const lines: EventLine[] = []
  let start = 0
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    const position = { file, offset: offset + start }
    lines.push({ value: parseLine(bytes.toString('utf8', start, end), position), end: offset + end + 1 })
    start = end + 1
  }
  return lines
}

async function readWholeLines(file: string, offset: number, limitBytes: number): Promise<Buffer> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (handle === null) return Buffer.alloc(0)
  try {
    for (let size = limitBytes; ; size *= 2) {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, offset)
      const bytes = buffer.subarray(0, bytesRead)
      // A line longer than the buffer: read again with twice the room.
      if (bytesRead < size || bytes.includes(newline)) return bytes
    }
  } finally {
    await handle.close()
  }
}

function parseLine(text: string, { file, offset }: { file: string; offset: number }): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new TrainqlError(
      {
        code: 'RUN_DIRECTORY_INVALID',
        message: `${file}: at byte ${offset} expected a line of JSON; found ${JSON.stringify(text.slice(0, 80))}.`,
        fix: 'Start the run again; look into its log.txt for what wrote this line.',
      },
      { cause: error },
    )
  }
}
