// A line of an event log: a JSON object whose last field, `crc`, is the checksum of the line's bytes before it. So a line
// is still JSON to every tool, and what a disk or a stranger's hand made of it is told from what was written.
import { crc32 } from 'node:zlib'

const fieldStart = Buffer.from(',"crc":"')
const digits = 8
/** The field with what follows it: `,"crc":"xxxxxxxx"}`. */
const tailBytes = fieldStart.length + digits + 2
/** So many bytes at the end of a line, its newline included, tell whether it has a checksum. */
export const lineEndBytes = tailBytes + 1

export interface LineDamage {
  /** CRC-32 in hexadecimal: what the line says, and what its bytes have. */
  expected: string
  found: string
}

/** With its newline. The record has a field at least, and none of the name. */
export function eventLine(record: object): string {
  const body = JSON.stringify(record).slice(0, -1)
  return `${body},"crc":"${checksumOf(body)}"}\n`
}

/** Of a line without its newline, or of the end of one. Lines of earlier versions have none. */
export function hasChecksum(line: Buffer): boolean {
  const tail = line.length - tailBytes
  return tail >= 0 && line.compare(fieldStart, 0, fieldStart.length, tail, tail + fieldStart.length) === 0
}

/** Null where a line, without its newline, is what was written, and where it has no checksum to tell by. */
export function findLineDamage(line: Buffer): LineDamage | null {
  if (!hasChecksum(line)) return null
  const tail = line.length - tailBytes
  const digitsAt = tail + fieldStart.length
  const expected = line.toString('latin1', digitsAt, digitsAt + digits)
  const found = checksumOf(line.subarray(0, tail))
  return expected === found ? null : { expected, found }
}

/** CRC-32 as in gzip and PNG. */
function checksumOf(bytes: string | Buffer): string {
  return crc32(bytes).toString(16).padStart(digits, '0')
}
