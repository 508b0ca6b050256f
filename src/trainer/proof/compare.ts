// Are two states the same to the bit? If not: the first tensor and value that differ.
import type { StateDict } from '../engine.ts'

export interface Difference {
  /** Such as `layer1.0.conv1.weight[17]`, an index into the row-major values. */
  what: string
  expected: number | null
  found: number | null
}

/** Goes through the tensors in the order of `found`, then those that are not there. */
export function findDifference(expected: StateDict, found: StateDict): Difference | null {
  for (const [name, { data }] of found) {
    const other = expected.get(name)
    if (other === undefined) return { what: name, expected: null, found: numberOrNull(data[0]) }
    const index = firstDifferentWord(data, other.data)
    if (index === -1) continue
    const what = data.length === 1 && other.data.length === 1 ? name : `${name}[${index}]`
    return { what, expected: numberOrNull(other.data[index]), found: numberOrNull(data[index]) }
  }
  const missing = [...expected].find(([name]) => !found.has(name))
  return missing === undefined ? null : { what: missing[0], expected: numberOrNull(missing[1].data[0]), found: null }
}

/** By the bits of the floats, so that 0 is not -0; -1 where there is none. */
function firstDifferentWord(a: Float32Array, b: Float32Array): number {
  const left = new Uint32Array(a.buffer, a.byteOffset, a.length)
  const right = new Uint32Array(b.buffer, b.byteOffset, b.length)
  const length = Math.max(left.length, right.length)
  for (let i = 0; i < length; i += 1) if (left[i] !== right[i]) return i
  return -1
}

function numberOrNull(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null
}
