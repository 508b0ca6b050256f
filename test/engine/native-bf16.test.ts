// bfloat16 in the native engine: as near to the float64 reference as 8 bits of mantissa allow, fp32
// weights in and out. That it gives one answer on any number of devices is a row of the table in exactness.ts.
import { afterAll, describe, expect, test } from 'vitest'
import type { StateDict } from '../../src/trainer/engine.ts'
import { openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { relativeDistance } from './distance.ts'
import { generateState } from './generate.ts'
import { batchOf, createHarness, expectSame, referenceOf, type Opening } from './harness.ts'
import { bareConvolutions, bareMaxPool, everyLayer, narrowBottlenecks, narrowResNet } from './nets.ts'

const probe = probeNativeEngine()

describe('engine native in bf16', () => {
  if (!probe.precisions.includes('BF16')) {
    test.skip(`skipped: ${probe.available ? 'the processor has no avx512_bf16' : probe.detail}`)
    return
  }
  const harness = createHarness(openNativeEngine, { loss: 0.02, firstStep: 0.1, fewSteps: 0.1 })
  afterAll(() => harness.closeAll())

  const opened = (opening: Opening) => harness.opened({ globalBatch: 16, precision: 'BF16', ...opening })

  /** Distance of each tensor, largest last. */
  function distances(actual: StateDict, expected: ReadonlyMap<string, ArrayLike<number>>): number[] {
    return [...expected]
      .map(([name, values]) => relativeDistance(actual.get(name)?.data ?? [], values))
      .sort((a, b) => a - b)
  }

  // Shards of 5 and 7 images leave a row without a partner.
  test.each([
    ['convolutions', 16, 1, bareConvolutions()],
    ['convolutions', 20, 4, bareConvolutions()],
    ['a max pool', 16, 2, bareMaxPool()],
    ['a max pool', 7, 1, bareMaxPool()],
  ])('every gradient of %s, %i images in %i shards', async (_, globalBatch, shards, graph) => {
    const session = await opened({ graph, globalBatch, shards })
    const batch = batchOf(graph, globalBatch)
    const { loss, gradients } = await session.gradients(batch)
    const expected = referenceOf({ graph, shards }).gradients(batch)
    expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(harness.tolerances.loss)
    for (const [name, values] of expected.gradients)
      expect(relativeDistance(gradients.get(name)?.data ?? [], values), name).toBeLessThanOrEqual(
        harness.tolerances.firstStep,
      )
  })

  // Batch norm of few values a channel magnifies rounding; PyTorch's autocast is as far from fp64 (docs/engine.md).
  test.each([everyLayer(), narrowResNet(), narrowBottlenecks()])('batch norm: $architecture', async (graph) => {
    const session = await opened({ graph, globalBatch: 64 })
    const batch = batchOf(graph, 64)
    const { loss, gradients } = await session.gradients(batch)
    const expected = referenceOf({ graph }).gradients(batch)
    expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(harness.tolerances.loss)
    const sorted = distances(gradients, expected.gradients)
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThanOrEqual(0.25)
  })

  test('differs from fp32: it is not the same arithmetic under another name', async () => {
    const graph = bareConvolutions()
    const fp32 = await harness.opened({ graph, globalBatch: 16 })
    const bf16 = await opened({ graph })
    const batch = batchOf(graph, 16)
    expect((await bf16.gradients(batch)).loss).not.toBe((await fp32.gradients(batch)).loss)
  })

  test('weights, statistics and optimiser state are fp32: what is written is read', async () => {
    const graph = everyLayer()
    const session = await opened({ graph })
    expectSame(await session.readState(), generateState(graph, 1))
  })

  test('evaluates with running statistics, near the reference', async () => {
    const graph = everyLayer()
    const session = await opened({ graph, globalBatch: 8 })
    const batch = batchOf(graph, 7)
    const expected = referenceOf({ graph }).evaluate(batch)
    const { images, lossSum } = await session.evaluate(batch)
    expect(images).toBe(7)
    expect(Math.abs(lossSum - expected.lossSum)).toBeLessThanOrEqual(0.1)
    const logits = await session.predict(batch.images)
    expect(relativeDistance(logits, referenceOf({ graph }).predict(batch.images))).toBeLessThanOrEqual(0.03)
  })
})
