// Reads an append-only file of JSON lines from a byte offset: whole lines only, however the writer's writes were cut.
import { open } from 'node:fs/promises'
import { nullWhereAbsent } from '../durable-files.ts'

export interface EventLine {
  text: string
  /** Bytes up to and with this line's newline. */
  end: number
}

const newline = 0x0a

/**
 * The whole lines behind `offset`, within about `limitBytes` (at least one line where there is one). A last line
 * without its newline is still being written, or was torn when its writer died; it is left for later. A file that is
 * absent holds none.
 */
export async function readEventLines(file: string, offset: number, limitBytes: number): Promise<EventLine[]> {
  const bytes = await readBytes(file, offset, limitBytes)
  const lines: EventLine[] = []
  let start = 0
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    lines.push({ text: bytes.toString('utf8', start, end), end: offset + end + 1 })
    start = end + 1
  }
  return lines
}

async function readBytes(file: string, offset: number, limitBytes: number): Promise<Buffer> {
  const handle = await open(file, 'r').catch(nullWhereAbsent)
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
