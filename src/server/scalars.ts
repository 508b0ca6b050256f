// The two scalars JSON has no type for: 64-bit integers and instants.
import { GraphQLScalarType, Kind } from 'graphql'

const largest = 2n ** 63n - 1n
const smallest = -(2n ** 63n)

/** `bigint` on this side, a decimal string on the wire. Input may also be a safe JSON integer. */
export const BigIntScalar = new GraphQLScalarType<bigint, string>({
  name: 'BigInt',
  description: 'Signed 64-bit integer, as a decimal string in JSON.',
  serialize(value) {
    if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) return String(value)
    throw new TypeError(`BigInt cannot represent ${typeof value} ${String(value)}`)
  },
  parseValue: parseBigInt,
  parseLiteral(node) {
    if (node.kind === Kind.INT || node.kind === Kind.STRING) return parseBigInt(node.value)
    throw new TypeError('BigInt expects a whole number or a decimal string.')
  },
})

function parseBigInt(value: unknown): bigint {
  const wellFormed =
    typeof value === 'string' ? /^-?\d{1,19}$/.test(value) : typeof value === 'number' && Number.isSafeInteger(value)
  if (!wellFormed)
    throw new TypeError(`BigInt expects a whole number or a decimal string; got ${JSON.stringify(value)}.`)
  const parsed = BigInt(value as string | number)
  if (parsed > largest || parsed < smallest)
    throw new TypeError(`BigInt expects a 64-bit integer; got ${String(value)}.`)
  return parsed
}

/** `Date` on this side. */
export const DateTimeScalar = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  description: 'ISO 8601 with milliseconds, UTC.',
  serialize(value) {
    if (value instanceof Date) return value.toISOString()
    throw new TypeError(`DateTime cannot represent ${typeof value}`)
  },
  parseValue: parseDateTime,
  parseLiteral: (node) => parseDateTime(node.kind === Kind.STRING ? node.value : null),
})

function parseDateTime(value: unknown): Date {
  const time = typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : NaN
  if (Number.isNaN(time)) throw new TypeError(`DateTime expects an ISO 8601 time; got ${JSON.stringify(value)}.`)
  return new Date(time)
}
