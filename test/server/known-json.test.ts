// Values that are parsed once a row, and the number of them that is kept.
import { expect, test } from 'vitest'
import { createKnownJson } from '../../src/server/database/known-json.ts'

test('those used last are kept, each parsed once; one that is forgotten is parsed anew', () => {
  const parsed: string[] = []
  const known = createKnownJson((value) => {
    parsed.push(String(value))
    return { value }
  })
  const first = known.of('first', 'first')
  known.of('second', 'second')
  for (let index = 0; index < 8_190; index += 1) known.of(String(index), 'other')
  expect(known.of('first', 'first')).toBe(first)
  // One more than there is room for: the one not used for longest goes.
  known.of('one more', 'other')
  expect([known.find('second'), known.find('first')]).toEqual([undefined, first])
  parsed.length = 0
  expect(known.of('first', 'first')).toBe(first)
  expect(parsed).toEqual([])
  known.of('second', 'second')
  known.forget('first')
  expect(known.of('first', 'changed')).toEqual({ value: 'changed' })
  expect(parsed).toEqual(['second', 'changed'])
})
