// What a value that does not fit its schema is told: field, expected, got and next step, in words of one form.
import { expect, test } from 'vitest'
import { z } from 'zod'
import { TrainqlError } from '../../src/shared/errors.ts'
import { parseWith } from '../../src/shared/parse-with.ts'

const schema = z.strictObject({
  size: z.number().int().positive().max(10).default(1),
  share: z.number().min(0).lt(1).default(0),
  name: z.string().min(1).max(70).default('x'),
  list: z.array(z.string()).min(1).default(['x']),
  kind: z.enum(['A', 'B']).default('A'),
  link: z.string().regex(/^x/, 'Expected an x').default('x'),
  inner: z.strictObject({ flag: z.boolean() }).default({ flag: true }),
})

test.each<[given: unknown, field: string, expected: string, got: string]>([
  [{ size: 0 }, 'size', 'a number above 0', '0'],
  [{ size: 11 }, 'size', 'a number of at most 10', '11'],
  [{ size: 1.5 }, 'size', 'a whole number', '1.5'],
  [{ size: '1' }, 'size', 'a finite number', '"1"'],
  [{ share: 1 }, 'share', 'a number below 1', '1'],
  [{ share: -0.5 }, 'share', 'a number of at least 0', '-0.5'],
  [{ share: Infinity }, 'share', 'a finite number', 'Infinity'],
  [{ name: '' }, 'name', 'a text of at least 1 character', '""'],
  [{ name: 'y'.repeat(80) }, 'name', 'a text of at most 70 characters', `"${'y'.repeat(60)}"… (80 characters)`],
  [{ list: [] }, 'list', 'a list of at least 1 entry', 'a list of 0'],
  [{ kind: 'C' }, 'kind', 'one of A, B', '"C"'],
  [{ inner: {} }, 'inner.flag', 'true or false', 'none'],
  [{ inner: null }, 'inner', 'an object', 'null'],
])('%j: %s is to be %s; got %s', (given, field, expected, got) => {
  expect(thrownFor(given)).toMatchObject({
    code: 'INVALID_INPUT',
    field,
    message: `Invalid thing: expected ${field} to be ${expected}; got ${got}.`,
    fix: `Set ${field} to ${expected}.`,
  })
})

test("keeps the schema's own words where it has some", () => {
  expect(thrownFor({ link: 'y' })).toMatchObject({
    field: 'link',
    message: 'Invalid thing at "link": Expected an x.',
    fix: 'Correct "link".',
  })
  expect(thrownFor({ other: 1 })).toMatchObject({
    field: undefined,
    message: 'Invalid thing: Unrecognized key: "other".',
    fix: 'Pass a valid thing.',
  })
})

test('gives what fits, with its defaults', () => {
  expect(parseWith(schema, { size: 2 }, 'thing')).toEqual({
    size: 2,
    share: 0,
    name: 'x',
    list: ['x'],
    kind: 'A',
    link: 'x',
    inner: { flag: true },
  })
})

function thrownFor(given: unknown): TrainqlError {
  try {
    parseWith(schema, given, 'thing')
  } catch (error) {
    if (error instanceof TrainqlError) return error
    throw error
  }
  return expect.unreachable(`${JSON.stringify(given)} was taken`)
}
