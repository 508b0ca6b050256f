// The native engine, where its addon is built.
import { describe, expect, test } from 'vitest'
import { openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { describeEngine } from './contract.ts'
import { generateState } from './generate.ts'
import { adam, adamW, batchOf, cpuDevices, expectSame, optimizerOf, sgd } from './harness.ts'
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

  // Parameters without gradient are moved many steps at once, and whenever the state is read.
  test.each([
    ['SGD', sgd],
    ['SGD with Nesterov', optimizerOf({ kind: 'SGD', nesterov: true, weightDecay: 0.1 })],
    ['Adam', adam],
    ['AdamW', adamW],
  ])('%s: reading the state in between changes no bit of it', async (_, optimizer) => {
    const graph = narrowResNet()
    const engine = await openNativeEngine()
    const trained = async (reads: (step: number) => boolean) => {
      const shape = { graph, globalBatch: 8, shards: 2, devices: cpuDevices(2) }
      const session = await engine.open({ ...shape, optimizer })
      await session.writeState(generateState(graph, 1))
      for (let step = 0; step < 40; step += 1) {
        await session.step(batchOf(graph, 8, step), 0.01 / (step + 1))
        if (reads(step)) await session.readState()
      }
      const { tensors } = await session.readOptimizerState()
      const state = await session.readState()
      await session.close()
      return { state, tensors }
    }
    const [always, once, sometimes] = [
      await trained(() => true),
      await trained(() => false),
      await trained((step) => step % 7 === 3),
    ]
    for (const { state, tensors } of [once, sometimes]) {
      expectSame(state, always.state)
      expectSame(tensors, always.tensors)
    }
  })
} else {
  describe('engine native', () => {
    test.skip(`skipped: ${probe.detail}`)
  })
}
