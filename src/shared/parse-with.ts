// Turns the unknown into the known by a zod schema; what does not fit is told as every error is: expected, got, next step.
import type { z } from 'zod'
import { invalidInput } from './errors.ts'

type Issue = z.core.$ZodIssue

/** @throws TrainqlError `INVALID_INPUT` naming the first field that is wrong, what was expected there and what came. */
export function parseWith<T extends z.ZodType>(schema: T, input: unknown, what: string): z.output<T> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const path = issue?.path ?? []
  const field = path.join('.')
  const expected = issue === undefined ? null : expectedOf(issue)
  if (expected === null || field === '') {
    throw invalidInput({
      field: field === '' ? undefined : field,
      message: `Invalid ${what}${field === '' ? '' : ` at "${field}"`}: ${issue?.message ?? 'unknown problem'}.`,
      fix: field === '' ? `Pass a valid ${what}.` : `Correct "${field}".`,
    })
  }
  throw invalidInput({
    field,
    message: `Invalid ${what}: expected ${field} to be ${expected}; got ${shown(valueAt(input, path))}.`,
    fix: `Set ${field} to ${expected}.`,
  })
}

/** What a value must be, as a noun; null where only the schema's own words say it. */
function expectedOf(issue: Issue): string | null {
  if (issue.code === 'too_small') {
    return sized(issue.origin, issue.inclusive === false ? 'above' : 'of at least', issue.minimum)
  }
  if (issue.code === 'too_big') {
    return sized(issue.origin, issue.inclusive === false ? 'below' : 'of at most', issue.maximum)
  }
  if (issue.code === 'invalid_type') return nouns[issue.expected] ?? null
  if (issue.code !== 'invalid_value') return null
  return `${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`
}

const nouns: Partial<Record<string, string>> = {
  number: 'a finite number',
  int: 'a whole number',
  string: 'a text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
}

function sized(origin: string, bound: string, limit: number | bigint): string | null {
  switch (origin) {
    case 'number':
    case 'int':
      return `a number ${bound} ${limit}`
    case 'string':
      return `a text ${bound} ${counted(limit, 'character')}`
    case 'array':
      return `a list ${bound} ${counted(limit, 'entry', 'entries')}`
    default:
      return null
  }
}

function counted(count: number | bigint, one: string, many = `${one}s`): string {
  return `${count} ${Number(count) === 1 ? one : many}`
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  )
}

const longestShown = 60

/** Of a text or list as much as fits a sentence. */
function shown(value: unknown): string {
  if (value === undefined) return 'none'
  if (typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value === 'object' && value !== null)
    return Array.isArray(value) ? `a list of ${value.length}` : 'an object'
  if (typeof value !== 'string' || value.length <= longestShown) return JSON.stringify(value)
  return `${JSON.stringify(value.slice(0, longestShown))}… (${value.length} characters)`
}
