// Numbers and strings as protocol 0 writes them: lines of text.
import { malformed, type Machine } from './machine.ts'

/** More digits than any count has. */
const mostDigits = 1000

/** `I01` and `I00` are booleans. */
export function parseInteger(machine: Machine, line: string): number | bigint | boolean {
  if (line === '01') return true
  if (line === '00') return false
  return parseLong(machine, line)
}

/** Python 2 ends a long with L. */
export function parseLong(machine: Machine, line: string): number | bigint {
  const digits = /^\s*([-+]?\d+)L?\s*$/.exec(line)?.[1]
  if (digits === undefined || digits.length > mostDigits) throw malformed(machine, 'a whole number', 'something else')
  return narrow(BigInt(digits.replace('+', '')))
}

export function parseFloat(machine: Machine, line: string): number {
  const special: Readonly<Record<string, number>> = { inf: Infinity, '-inf': -Infinity, nan: NaN }
  if (Object.hasOwn(special, line)) return special[line] as number
  if (!/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(line) || line.length > mostDigits)
    throw malformed(machine, 'a number', 'something else')
  return Number(line)
}

/** A number where one holds it exactly. */
export function narrow(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value
}

/** A string literal of Python: quotes around it, and escapes inside. */
export function parseQuoted(machine: Machine, line: string): Buffer {
  const quote = line[0]
  if (line.length < 2 || (quote !== "'" && quote !== '"') || line.at(-1) !== quote)
    throw malformed(machine, 'a quoted string', 'something else')
  const inner = line.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[^])/g, (_, escape: string) => {
    if (escape.length > 1 && escape.startsWith('x')) return String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    if (/^[0-7]/.test(escape)) return String.fromCharCode(Number.parseInt(escape, 8) & 0xff)
    return escapes.get(escape) ?? escape
  })
  return Buffer.from(inner, 'latin1')
}

const escapes = new Map([
  ['n', '\n'],
  ['t', '\t'],
  ['r', '\r'],
  ['a', '\x07'],
  ['b', '\b'],
  ['f', '\f'],
  ['v', '\v'],
])

/** Python's raw-unicode-escape: latin-1, and \uXXXX or \UXXXXXXXX for the rest. */
export function parseRawUnicode(machine: Machine, line: string): string {
  return line.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/g, (_, short?: string, long?: string) => {
    const point = Number.parseInt(short ?? long ?? '', 16)
    if (point > 0x10ffff) throw malformed(machine, 'a character', `number ${point}`)
    return String.fromCodePoint(point)
  })
}
