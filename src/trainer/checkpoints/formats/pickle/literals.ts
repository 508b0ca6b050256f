// The operations of a pickle that push a value written in it: numbers, strings, bytes.
import { cost, malformed, push, type Machine } from './machine.ts'
import { narrow, parseFloat, parseInteger, parseLong, parseQuoted, parseRawUnicode } from './text.ts'

export type Operation = (machine: Machine) => void

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** V8 has strings of up to 2^29 characters. */
const longestString = 2 ** 27
/** Two's complement; a checkpoint's longest integer is the ten bytes of the legacy format's magic number. */
const longestInteger = 256

export const literals: ReadonlyMap<number, Operation> = new Map<number, Operation>(
  (
    [
      ['N', (machine) => push(machine, null)],
      [0x88, (machine) => push(machine, true)],
      [0x89, (machine) => push(machine, false)],
      ['I', (machine) => pushNumber(machine, parseInteger(machine, latin1(machine.cursor.line())))],
      ['L', (machine) => pushNumber(machine, parseLong(machine, latin1(machine.cursor.line())))],
      ['F', (machine) => pushNumber(machine, parseFloat(machine, latin1(machine.cursor.line())))],
      ['J', (machine) => pushNumber(machine, machine.cursor.take(4).readInt32LE())],
      ['K', (machine) => push(machine, machine.cursor.byte())],
      ['M', (machine) => push(machine, machine.cursor.take(2).readUInt16LE())],
      ['G', (machine) => pushNumber(machine, machine.cursor.take(8).readDoubleBE())],
      [0x8a, (machine) => pushLong(machine, machine.cursor.byte())],
      [0x8b, (machine) => pushLong(machine, machine.cursor.take(4).readUInt32LE())],
      ['S', (machine) => pushText(machine, parseQuoted(machine, latin1(machine.cursor.line())), 'either')],
      ['T', (machine) => pushText(machine, machine.cursor.take(length(machine, 4)), 'either')],
      ['U', (machine) => pushText(machine, machine.cursor.take(length(machine, 1)), 'either')],
      ['V', pushRawUnicode],
      ['X', (machine) => pushText(machine, machine.cursor.take(length(machine, 4)), 'utf8')],
      [0x8c, (machine) => pushText(machine, machine.cursor.take(length(machine, 1)), 'utf8')],
      [0x8d, (machine) => pushText(machine, machine.cursor.take(length(machine, 8)), 'utf8')],
      ['B', (machine) => pushBytes(machine, machine.cursor.take(length(machine, 4)))],
      ['C', (machine) => pushBytes(machine, machine.cursor.take(length(machine, 1)))],
      [0x8e, (machine) => pushBytes(machine, machine.cursor.take(length(machine, 8)))],
      [0x96, (machine) => pushBytes(machine, machine.cursor.take(length(machine, 8)))],
    ] as [string | number, Operation][]
  ).map(([code, operation]) => [typeof code === 'string' ? code.charCodeAt(0) : code, operation]),
)

/** A count of bytes that follow, little-endian. The cursor refuses what lies beyond its end. */
function length({ cursor }: Machine, width: 1 | 4 | 8): number {
  if (width === 1) return cursor.byte()
  const bytes = cursor.take(width)
  return width === 4 ? bytes.readUInt32LE() : Number(bytes.readBigUInt64LE())
}

function pushNumber(machine: Machine, value: number | bigint | boolean): void {
  machine.budget.charge(cost.number)
  push(machine, value)
}

/** Two's complement, little-endian, of any length. */
function pushLong(machine: Machine, count: number): void {
  if (count > longestInteger) throw malformed(machine, `integers of at most ${longestInteger} bytes`, `${count} bytes`)
  const bytes = machine.cursor.take(count)
  const magnitude = count === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
  pushNumber(machine, narrow(BigInt.asIntN(8 * count, magnitude)))
}

/** Python 2's strings are bytes in whatever encoding: UTF-8 where they can be, else latin-1. */
function pushText(machine: Machine, bytes: Buffer, encoding: 'utf8' | 'either'): void {
  push(machine, decodeText(machine, bytes, encoding))
}

function pushRawUnicode(machine: Machine): void {
  const line = machine.cursor.line()
  machine.budget.charge(cost.string + cost.character * line.length)
  push(machine, parseRawUnicode(machine, latin1(line)))
}

export function decodeText(machine: Machine, bytes: Buffer, encoding: 'utf8' | 'either'): string {
  if (bytes.length > longestString)
    throw malformed(machine, `strings of at most ${longestString} bytes`, `${bytes.length}`)
  machine.budget.charge(cost.string + cost.character * bytes.length)
  try {
    return isAscii(bytes) ? latin1(bytes) : strict.decode(bytes)
  } catch {
    if (encoding === 'either') return latin1(bytes)
    throw malformed(machine, 'a string in UTF-8', 'other bytes')
  }
}

function isAscii(bytes: Buffer): boolean {
  for (let index = 0; index < bytes.length; index += 1) if ((bytes[index] as number) >= 0x80) return false
  return true
}

function pushBytes(machine: Machine, bytes: Buffer): void {
  machine.budget.charge(cost.bytes + bytes.length)
  push(machine, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
}

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1')
}
