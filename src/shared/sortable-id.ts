// Ids of runs and of imported checkpoints: names of folders that sort by time of creation (ULID: 48 bits of milliseconds, 80 random bits).
import { randomBytes } from 'node:crypto'

/** Crockford's base 32, lower case: no i, l, o, u. */
const alphabet = '0123456789abcdefghjkmnpqrstvwxyz'
const timeDigits = 10
const randomDigits = 16

/** 26 characters. Source: https://github.com/ulid/spec */
export function createSortableId(at: Date): string {
  const random = BigInt(`0x${randomBytes(10).toString('hex')}`)
  return encode(BigInt(at.getTime()), timeDigits) + encode(random, randomDigits)
}

/** When it was created; null where the text is no such id. */
export function findSortableIdTime(id: string): Date | null {
  if (!/^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(id)) return null
  const digits = Array.from(id.slice(0, timeDigits), (digit) => alphabet.indexOf(digit))
  const ms = digits.reduce((value, digit) => value * 32 + digit, 0)
  return new Date(ms)
}

function encode(value: bigint, digits: number): string {
  return Array.from(
    { length: digits },
    (_, index) => alphabet[Number((value >> BigInt(5 * (digits - 1 - index))) & 31n)],
  ).join('')
}
