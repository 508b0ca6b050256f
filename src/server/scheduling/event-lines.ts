// Reads an append-only file of JSON lines from a byte offset: whole lines only, however the writer's writes were cut.
import { open } from 'node:fs/promises'
import { lineEndBytes } from '../../shared/event-line.ts'
import { nullWhereAbsent } from '../durable-files.ts'

export interface EventLine {
  /** Without its newline. */
  bytes: Buffer
  /** Bytes of the file up to and with this line's newline. */
  end: number
}

export interface EventLines {
  lines: EventLine[]
  /** What is there of the line behind them, up to where was read. */
  rest: Buffer
  /** The end of the line before them, without its newline: enough to tell whether that has a checksum. */
  before: Buffer
  /** The file ends before the offset. */
  isShort: boolean
}

const newline = 0x0a

/** More than what a log has grown by from one look to the next, but where its reader is behind. */
const usualBytes = 16 * 1024

/**
 * The whole lines behind `offset`, within about `limitBytes` (at least one line where there is one). A last line
 * without its newline is still being written, or was torn when its writer died; it is left for later. A file that is
 * absent holds none.
 */
export async function readEventLines(file: string, offset: number, limitBytes: number): Promise<EventLines> {
  const lead = Math.min(offset, lineEndBytes)
  const bytes = await readBytes(file, { from: offset - lead, lead, limitBytes })
  const lines: EventLine[] = []
  let start = lead
  for (let end = bytes.indexOf(newline, start); end !== -1; end = bytes.indexOf(newline, start)) {
    lines.push({ bytes: bytes.subarray(start, end), end: offset - lead + end + 1 })
    start = end + 1
  }
  const before = bytes.subarray(0, Math.max(0, lead - 1))
  return { lines, rest: bytes.subarray(start), before, isShort: bytes.length < lead }
}

/** What the line is told by that comes first goes before what is asked for. */
interface Piece {
  from: number
  lead: number
  limitBytes: number
}

async function readBytes(file: string, { from, lead, limitBytes }: Piece): Promise<Buffer> {
  const handle = await open(file, 'r').catch(nullWhereAbsent)
  if (handle === null) return Buffer.alloc(0)
  try {
    const most = lead + limitBytes
    for (let size = Math.min(most, usualBytes); ; size = size < most ? most : 2 * size) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(size), 0, size, from)
      const bytes = buffer.subarray(0, bytesRead)
      // There is more, or a line longer than the buffer: read again with more room.
      if (bytesRead < size || (size >= most && bytes.includes(newline, lead))) return bytes
    }
  } finally {
    await handle.close()
  }
}

const pieceBytes = 64 * 1024

/** How many bytes a file holds behind its last newline: what is there of a line that is not whole. 0 where it is absent. */
export async function countTornBytes(file: string): Promise<number> {
  const handle = await open(file, 'r').catch(nullWhereAbsent)
  if (handle === null) return 0
  try {
    const { size } = await handle.stat()
    for (let end = size; end > 0;) {
      const start = Math.max(0, end - pieceBytes)
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start)
      const last = buffer.lastIndexOf(newline, bytesRead - 1)
      if (last !== -1) return size - (start + last + 1)
      end = start
    }
    return size
  } finally {
    await handle.close()
  }
}
