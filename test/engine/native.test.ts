// The native engine, where its addon is built.
import { describe, expect, test } from 'vitest'
import { openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { describeEngine } from './contract.ts'
import { cpuDevices, sgd } from './harness.ts'
import { narrowResNet } from './nets.ts'

const probe = probeNativeEngine()
if (probe.available) {
  describeEngine('native', openNativeEngine, { tolerances: { loss: 3e-6, firstStep: 5e-5, fewSteps: 1e-4 } })

  test('more shards of one global batch need less memory: it is taken in turns', async () => {
    const engine = await openNativeEngine()
    const held = async (shards: number) => {
      const shape = { graph: narrowResNet(), globalBatch: 256, shards, devices: cpuDevices(1) }
      const session = await engine.open({ ...shape, optimizer: sgd })
      const { memoryBytes } = session
      await session.close()
      return memoryBytes
    }
    const [two, sixteen] = [await held(2), await held(16)]
    expect(sixteen).toBeLessThan(two / 2)
  })
} else {
  describe('engine native', () => {
    test.skip(`skipped: ${probe.detail}`)
  })
}
