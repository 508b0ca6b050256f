// Two states are the same to the bit, or the first value that is not has a name.
import { expect, test } from 'vitest'
import type { StateDict } from '../../src/trainer/engine.ts'
import { findDifference } from '../../src/trainer/proof/compare.ts'

function stateOf(tensors: Record<string, number[]>): StateDict {
  return new Map(
    Object.entries(tensors).map(([name, values]) => [
      name,
      { shape: [values.length], data: Float32Array.from(values) },
    ]),
  )
}

const state = { 'a.weight': [1, 2, NaN], 'b.count': [3] }

test.each<[expected: Record<string, number[]>, found: Record<string, number[]>, difference: unknown]>([
  [state, state, null],
  [state, { 'b.count': [3], 'a.weight': [1, 2, NaN] }, null],
  [state, { ...state, 'a.weight': [1, 2.5, NaN] }, { what: 'a.weight[1]', expected: 2, found: 2.5 }],
  [state, { ...state, 'a.weight': [1, 2, 4] }, { what: 'a.weight[2]', expected: null, found: 4 }],
  [state, { ...state, 'b.count': [4] }, { what: 'b.count', expected: 3, found: 4 }],
  [state, { ...state, 'a.weight': [1, 2] }, { what: 'a.weight[2]', expected: null, found: null }],
  [{ zero: [0, 0] }, { zero: [0, -0] }, { what: 'zero[1]', expected: 0, found: -0 }],
  [state, { 'a.weight': [1, 2, NaN] }, { what: 'b.count', expected: 3, found: null }],
  [state, { ...state, more: [5] }, { what: 'more', expected: null, found: 5 }],
])('%j and %j', (expected, found, difference) => {
  expect(findDifference(stateOf(expected), stateOf(found))).toEqual(difference)
})
