// bfloat16 in the native engine: as near to the float64 reference as 8 bits of mantissa allow, fp32
// weights in and out. That it gives one answer on any number of devices is a row of the table in exactness.ts.
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import type { StateDict } from '../../src/trainer/engine.ts'
import type { Algorithms, ConvolutionShape } from '../../src/trainer/engines/kernel-table.ts'
import { openKernelTable, openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { relativeDistance } from './distance.ts'
import { generateState } from './generate.ts'
import { batchOf, createHarness, expectSame, referenceOf, type Opening } from './harness.ts'
import { bareConvolutions, bareImages, bareMaxPool, everyLayer, narrowBottlenecks, narrowResNet } from './nets.ts'

const probe = probeNativeEngine()

const direct: Algorithms = { forward: 'direct', dataGradient: 'direct', weightGradient: 'direct' }
/** What rounding of both factors and of the result to 8 bits makes of a sum, relative to its norm: about 2^-8.5. */
const roundingOfBf16 = 5e-3

function shapeOf(
  [inChannels, outChannels]: [number, number],
  [kernel, stride, padding]: [number, number, number],
  [height, width, shardBatch]: [number, number, number],
): ConvolutionShape {
  return { inChannels, outChannels, kernel, stride, padding, height, width, shardBatch }
}

describe('engine native in bf16', () => {
  if (!probe.precisions.includes('BF16')) {
    test.skip(`skipped: ${probe.available ? 'the processor has no avx512_bf16' : probe.detail}`)
    return
  }
  // Most of the distance of a gradient is ReLUs whose mask rounding has changed: every such row has some.
  const harness = createHarness(() => openNativeEngine('BF16'), { loss: 0.02, firstStep: 0.15, fewSteps: 0.15 })
  afterAll(() => harness.closeAll())
  afterEach(() => vi.unstubAllEnvs())

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

  describe.each(['', 'avx512'])('a convolution, TRAINQL_ISA=%s', (isa) => {
    // Rests of 16 rows, 32 values and 32 channels; pixels that lie apart; one pixel, one image, one channel.
    test.each([
      shapeOf([64, 64], [3, 1, 1], [7, 7, 8]),
      shapeOf([5, 7], [3, 1, 1], [6, 9, 3]),
      shapeOf([40, 24], [3, 1, 1], [2, 2, 1]),
      shapeOf([64, 128], [3, 2, 1], [8, 8, 8]),
      shapeOf([64, 128], [1, 2, 0], [8, 8, 7]),
      shapeOf([256, 64], [1, 1, 0], [14, 14, 4]),
      shapeOf([48, 80], [3, 2, 1], [7, 7, 5]),
      shapeOf([128, 128], [3, 1, 1], [1, 1, 64]),
      shapeOf([1, 1], [1, 1, 0], [1, 1, 1]),
      shapeOf([3, 20], [5, 2, 2], [9, 9, 4]),
      shapeOf([16, 16], [3, 3, 1], [10, 11, 20]),
      // A weight gradient in several blocks.
      shapeOf([64, 96], [3, 1, 1], [56, 20, 6]),
    ])('$inChannels to $outChannels channels, $kernel/$stride on $height x $width, $shardBatch images', (shape) => {
      vi.stubEnv('TRAINQL_ISA', isa)
      const table = openKernelTable()
      if (isa !== '') expect(table.kernelsName('BF16')).toBe('avx512_bf16')
      const trial = { shape, algorithms: direct, core: 0, repetitions: 0 }
      const bf16 = table.computeConvolution({ ...trial, precision: 'BF16' })
      const fp32 = table.computeConvolution({ ...trial, precision: 'FP32' })
      for (const part of ['output', 'inputGradient', 'weightGradient'] as const) {
        expect(bf16[part], part).toHaveLength(fp32[part].length)
        expect(relativeDistance(bf16[part], fp32[part]), part).toBeLessThanOrEqual(roundingOfBf16)
      }
    })
  })

  // With AMX the lines of a filter on three channels are rows of registers, those on one channel are not.
  test.each([
    [3, 7, 2, 8],
    [3, 3, 1, 10],
    [3, 5, 3, 3],
    [12, 3, 1, 2],
    [1, 7, 2, 4],
  ])('images of %i channels, kernel %i, stride %i, batch %i', async (channels, kernel, stride, globalBatch) => {
    const shards = globalBatch % 2 === 0 ? 2 : 1
    const graph = bareImages(channels, { kernel, stride })
    const session = await opened({ graph, globalBatch, shards })
    const batch = batchOf(graph, globalBatch)
    const { gradients } = await session.gradients(batch)
    for (const [name, values] of referenceOf({ graph, shards }).gradients(batch).gradients)
      expect(relativeDistance(gradients.get(name)?.data ?? [], values), name).toBeLessThanOrEqual(0.01)
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
