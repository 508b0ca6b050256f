// The body of a request as JSON, without what JSON would quietly make another value of.
import { TrainqlFailure } from './errors.ts'

/**
 * A bigint becomes decimal digits, as the scalar BigInt is written.
 * @throws TrainqlFailure `INVALID_INPUT` for NaN and infinities: JSON makes null of them, which asks for the default
 */
export function requestBody(request: { variables?: Record<string, unknown> | undefined }): string {
  return JSON.stringify({ ...request, variables: written(request.variables, []) })
}

function written(value: unknown, path: readonly string[]): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'number' && !Number.isFinite(value)) throw notFinite(value, path)
  if (Array.isArray(value)) return value.map((entry, index) => written(entry, [...path, String(index)]))
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, written(entry, [...path, name])]))
}

/** Neither null nor of a class: a Date writes itself. */
function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Named as the server names it: from within the `input` that most operations take. */
function notFinite(value: number, path: readonly string[]): TrainqlFailure {
  const field = (path[0] === 'input' ? path.slice(1) : path).join('.')
  return new TrainqlFailure({
    type: 'InvalidInputFailure',
    code: 'INVALID_INPUT',
    field,
    message: `Expected ${field} to be a finite number; got ${value}.`,
    fix: `Look at how ${field} is computed, or leave it out for its default.`,
  })
}
