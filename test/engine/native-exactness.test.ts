// The native engine gives one answer on any devices, and holds no more than it must for it.
import { afterAll, describe, expect, test } from 'vitest'
import { openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { describeExactness, type Format } from './exactness.ts'
import { createHarness } from './harness.ts'
import { narrowResNet } from './nets.ts'

const probe = probeNativeEngine()

describe('engine native', () => {
  if (!probe.available) {
    test.skip(`skipped: ${probe.detail}`)
    return
  }
  const harness = createHarness(openNativeEngine, { loss: 3e-6, firstStep: 5e-5, fewSteps: 1e-4 })
  afterAll(() => harness.closeAll())
  const formats = probe.precisions.map((precision): Format => ({ name: precision.toLowerCase(), spec: { precision } }))
  describeExactness(harness, formats)

  test('memory: batch norm over the global batch holds the activations of all shards at once', async () => {
    const opening = { graph: narrowResNet(), globalBatch: 64, shards: 4 }
    const held = async (devices: number, syncBatchNorm: boolean) =>
      (await harness.opened({ ...opening, devices, syncBatchNorm })).memoryBytes
    // On 4 devices each shard has its arena in either case.
    const statistics = (await held(4, true)) - (await held(4, false))
    const arenas = (await held(1, true)) - (await held(1, false))
    expect(statistics).toBeLessThan(0.1 * arenas)
    // Two arenas more than a pair's, each with at least two maps of the stem for 16 images: before and behind batch norm.
    expect(arenas).toBeGreaterThan(2 * 2 * 16 * 8 * 14 * 14 * 4)
  })
})
