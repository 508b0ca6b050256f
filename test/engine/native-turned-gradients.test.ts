// Data gradients that turn the maps, not the weights: the same bits, and no copies of weights.
import { describe, expect, test } from 'vitest'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { manyChannels } from './nets.ts'
import { trainByAddon } from './plan-limits.ts'

const graph = manyChannels()
/** Shards of so many images: some fill panels of the widest instruction set, some do not. */
const cases = [
  { globalBatch: 32, shards: 2, deviceCores: [[0], [1]] },
  { globalBatch: 64, shards: 1, deviceCores: [[0]] },
  { globalBatch: 48, shards: 1, deviceCores: [[0, 1]] },
  { globalBatch: 64, shards: 4, deviceCores: [[0], [1]], syncBatchNorm: true },
]

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`turned data gradients (${probe.detail})`, () => {
  test.each(cases)('%j: the bits that transposed weights give, after three steps', async (settings) => {
    const transposed = await trainByAddon(graph, { ...settings, leastTurnedWeights: Infinity })
    const turned = await trainByAddon(graph, { ...settings, leastTurnedWeights: 0 })
    expect(turned.memoryBytes).not.toBe(transposed.memoryBytes)
    expect(new Set(turned.trained.losses).size).toBe(3)
    expect(turned.trained).toEqual(transposed.trained)
  })
})
