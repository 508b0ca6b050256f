// The order in which shards are added: fixed, neighbours first.
import { expect, test } from 'vitest'
import { createTreeSum } from '../../src/trainer/engines/tfjs/tree-sum.ts'

function summed(count: number): string {
  const sum = createTreeSum<string>((left, right) => `(${left}+${right})`)
  for (let index = 0; index < count; index += 1) sum.push(String(index))
  return sum.total()
}

test.each([
  [1, '0'],
  [2, '(0+1)'],
  [4, '((0+1)+(2+3))'],
  [8, '(((0+1)+(2+3))+((4+5)+(6+7)))'],
])('%i shards', (count, expected) => {
  expect(summed(count)).toBe(expected)
})

test('a count that is no power of two has no total', () => {
  expect(() => summed(3)).toThrow(RangeError)
  expect(() => summed(0)).toThrow(RangeError)
})
