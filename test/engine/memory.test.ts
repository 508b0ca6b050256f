// The memory that the summary estimates against what the native engine then holds.
import { describe, expect, test } from 'vitest'
import { isTrainqlError } from '../../src/shared/errors.ts'
import { precisions } from '../../src/shared/recipe.ts'
import type { Architecture } from '../../src/shared/run-spec.ts'
import { openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { estimateMemory } from '../../src/trainer/models/memory.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { adam, cpuDevices, sgd } from './harness.ts'

/** Padding to vectors and cache lines, and the kernel table's exceptions from its rule, are left out of the estimate. */
const tolerance = 0.1

interface Settings {
  size: number
  globalBatch: number
  shards: number
  devices: number
  kind?: 'ADAM'
  syncBatchNorm?: true
  clipped?: true
}

const cases: [Architecture, Settings][] = [
  ['RESNET18', { size: 28, globalBatch: 256, shards: 4, devices: 1 }],
  ['RESNET18', { size: 28, globalBatch: 256, shards: 4, devices: 4 }],
  ['RESNET18', { size: 28, globalBatch: 256, shards: 8, devices: 2, syncBatchNorm: true }],
  ['RESNET18', { size: 32, globalBatch: 128, shards: 2, devices: 2, kind: 'ADAM' }],
  ['RESNET18', { size: 224, globalBatch: 16, shards: 2, devices: 2 }],
  ['RESNET34', { size: 96, globalBatch: 32, shards: 4, devices: 2 }],
  ['RESNET50', { size: 224, globalBatch: 8, shards: 2, devices: 2 }],
  ['RESNET50', { size: 224, globalBatch: 8, shards: 2, devices: 2, clipped: true }],
  ['RESNET50', { size: 224, globalBatch: 64, shards: 8, devices: 1, kind: 'ADAM' }],
  ['RESNET101', { size: 64, globalBatch: 64, shards: 4, devices: 1 }],
  ['RESNET152', { size: 224, globalBatch: 8, shards: 1, devices: 1 }],
]

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`memory of the native engine (${probe.detail})`, () => {
  describe.each(precisions)('%s', (precision) => {
    test.for(cases)(`%s, %j: within ${tolerance * 100} %%`, async ([architecture, settings], context) => {
      const { size, globalBatch, shards, devices, kind, syncBatchNorm = false, clipped = false } = settings
      const input = { channels: size === 28 ? 1 : 3, height: size, width: size }
      const graph = resnet({ architecture, input, classes: size === 224 ? 1000 : 10 })
      const plan = { graph, globalBatch, shards, optimizer: kind === 'ADAM' ? adam : sgd, precision, syncBatchNorm }
      const engine = await openNativeEngine()
      // Opening maps memory and touches none of it.
      const clipNorm = clipped ? 1 : null
      const session = await engine.open({ ...plan, clipNorm, devices: cpuDevices(devices) }).catch((error: unknown) => {
        if (!isTrainqlError(error) || error.code !== 'ENGINE_UNAVAILABLE') throw error
        return context.skip(error.message)
      })
      try {
        const { totalBytes } = estimateMemory({ ...plan, clipped, devices })
        expect(Math.abs(totalBytes / session.memoryBytes - 1)).toBeLessThanOrEqual(tolerance)
      } finally {
        await session.close()
      }
    })
  })
})
