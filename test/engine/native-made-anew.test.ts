// Activations that the native engine makes anew in the backward pass, where they would take much memory, are those it
// would have kept.
import { describe, expect, test } from 'vitest'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { narrowBottlenecks, narrowResNet } from './nets.ts'
import { trainByAddon } from './plan-limits.ts'

const globalBatch = 16
const graphs: [string, () => ModelGraph][] = [
  ['basic blocks', narrowResNet],
  ['bottlenecks', narrowBottlenecks],
]

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`activations made anew (${probe.detail})`, () => {
  describe.each(probe.precisions)('%s', (precision) => {
    describe.each([false, true])('syncBatchNorm %s', (syncBatchNorm) => {
      test.each(graphs)('%s: the same bits after three steps, in less memory', async (_, build) => {
        const graph = build()
        const settings = { globalBatch, shards: 4, deviceCores: [[0], [1]], precision, syncBatchNorm }
        const kept = await trainByAddon(graph, { ...settings, mostKeptBytes: 2 ** 30 })
        const anew = await trainByAddon(graph, { ...settings, mostKeptBytes: 0 })
        expect(anew.trained).toEqual(kept.trained)
        expect(anew.memoryBytes).toBeLessThan(kept.memoryBytes)
      })
    })
  })
})
