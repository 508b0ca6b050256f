// JSON columns that may be empty, read as what they were written from.
import type { z } from 'zod'
import { parseWith } from '../../shared/parse-with.ts'

export function parseNullable<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> | null {
  return value === null ? null : parseWith(schema, value, what)
}
