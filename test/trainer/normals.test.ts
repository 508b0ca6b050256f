// Normal numbers drawn by the addon: those of the script, bit for bit.
import { describe, expect, test } from 'vitest'
import { findAddonProblem } from '../../src/trainer/addon.ts'
import { drawNormals, drawNormalsInScript } from '../../src/trainer/normals.ts'
import type { RandomKey } from '../../src/trainer/random.ts'

const keys: Omit<RandomKey, 'part'>[] = [
  { seed: 0, stream: 'init', substream: 0 },
  { seed: 1, stream: 'init', substream: 61 },
  { seed: 2 ** 53 - 1, stream: 'init', substream: 2 ** 32 - 1 },
]

const problem = findAddonProblem()
describe.skipIf(problem !== null)(`normal numbers of the addon (${problem ?? 'there'})`, () => {
  // So many that numbers beyond 4.8 deviations are among them; 0.425 is where the middle ends.
  test.each(keys)('%j: a million as the script draws them', (key) => {
    const [ours, scripts] = [new Float32Array(1_000_000), new Float32Array(1_000_000)]
    drawNormals(key, 0.1234, ours)
    drawNormalsInScript(key, 0.1234, scripts)
    expect(Buffer.from(ours.buffer).equals(Buffer.from(scripts.buffer))).toBe(true)
    const largest = scripts.reduce((most, number) => Math.max(most, Math.abs(number)), 0)
    expect(largest).toBeGreaterThan(0.1234 * 4.5)
  })

  test.each([0, 1, 7])('%i numbers', (count) => {
    const [ours, scripts] = [new Float32Array(count), new Float32Array(count)]
    const key: Omit<RandomKey, 'part'> = { seed: 5, stream: 'init', substream: 3 }
    drawNormals(key, 2, ours)
    drawNormalsInScript(key, 2, scripts)
    expect(ours).toEqual(scripts)
  })
})
