// Evaluation computes a convolution and the batch norm behind it at once: what it gives is what two passes would.
import { describe, expect, test } from 'vitest'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { norm, relativeDistance } from './distance.ts'
import { batchOf } from './harness.ts'
import { everyLayer, narrowBottlenecks, narrowResNet, sharedConvolutions } from './nets.ts'
import { openAddonSession, type AddonSettings } from './plan-limits.ts'

const globalBatch = 16
const graphs: [string, () => ModelGraph][] = [
  ['every layer', everyLayer],
  ['basic blocks', narrowResNet],
  ['bottlenecks', narrowBottlenecks],
  ['convolutions read twice', sharedConvolutions],
]
/** Joined, bfloat16 does not round what goes from the convolution into the batch norm. */
const furthest = { FP32: 1e-5, BF16: 0.02 }

/** Logits of the first weights and of those after two steps, and the losses of the steps. */
async function run(graph: ModelGraph, settings: Omit<AddonSettings, 'globalBatch' | 'shards'>) {
  const session = await openAddonSession(graph, { globalBatch, shards: 2, ...settings })
  const { images, labels } = batchOf(graph, globalBatch)
  const logits = [await session.predict(images)]
  const losses: number[] = []
  for (let step = 0; step < 2; step += 1) losses.push(await session.step(images, labels, 0.05))
  logits.push(await session.predict(images))
  session.close()
  return { logits, losses }
}

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`convolution and batch norm at once (${probe.detail})`, () => {
  describe.each(probe.precisions)('%s', (precision) => {
    test.each(graphs)('%s: as apart, before and after steps, on one thread, two, and two devices', async (_, build) => {
      const graph = build()
      const deviceCores = [[0]]
      const apart = await run(graph, { precision, deviceCores, leastJoinedBytes: 2 ** 40 })
      const joined = await run(graph, { precision, deviceCores, leastJoinedBytes: 0 })
      joined.logits.forEach((logits, i) => {
        expect(norm(logits)).toBeGreaterThan(0.1)
        expect(relativeDistance(logits, apart.logits[i] ?? [])).toBeLessThanOrEqual(furthest[precision])
      })
      expect(relativeDistance(joined.logits[1] ?? [], joined.logits[0] ?? [])).toBeGreaterThan(3 * furthest[precision])
      expect(joined.losses).toEqual(apart.losses)
      for (const cores of [[[0, 1]], [[0], [1]]]) {
        expect(await run(graph, { precision, deviceCores: cores, leastJoinedBytes: 0 })).toEqual(joined)
      }
    })
  })
})
