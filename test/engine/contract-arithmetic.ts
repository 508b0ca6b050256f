// The arithmetic of an engine against the float64 reference: gradients, running statistics, evaluation.
import { describe, expect, test } from 'vitest'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'
import { relativeDistance } from './distance.ts'
import { generateState } from './generate.ts'
import { batchOf, expectClose, expectSame, referenceOf, sgd, tensorOf, type Harness } from './harness.ts'
import { bareMaxPool, everyLayer, narrowBottlenecks, narrowResNet } from './nets.ts'
import { createReference } from './reference.ts'

export function describeArithmetic(harness: Harness): void {
  const { tolerances, opened } = harness

  describe('loss and every gradient', () => {
    const nets = [everyLayer, bareMaxPool, narrowResNet, narrowBottlenecks]
    for (const net of nets) {
      test.each([1, 2, 4])(`${net().architecture}, %i shards`, async (shards) => {
        const graph = net()
        // 16 images: at 4 shards a 1x1 map still gives batch norm 4 values, fewer make it ill-conditioned.
        const session = await opened({ graph, globalBatch: 16, shards })
        const before = await session.readState()
        const batch = batchOf(graph, 16)
        const { loss, gradients } = await session.gradients(batch)
        const expected = referenceOf({ graph, shards }).gradients(batch)
        expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(tolerances.loss)
        expectClose(gradients, expected.gradients, tolerances.firstStep)
        for (const { name: tensor, shape } of parameterEntries(graph))
          expect(gradients.get(tensor)?.shape, tensor).toEqual(shape)
        expectSame(await session.readState(), before)
      })
    }

    test('equal maxima of a pool: the first takes the gradient, and padding is never largest', async () => {
      const graph = bareMaxPool()
      const session = await opened({ graph })
      // Whole numbers, negative most of the time, so that sums are exact and windows have many equal maxima.
      const state = generateState(graph, 1)
      const weight = state.get('conv.weight')
      weight?.data.forEach((value, i) => (weight.data[i] = value < 0 ? -1 : 0))
      const batch = batchOf(graph)
      batch.images.forEach((value, i) => (batch.images[i] = Math.round(Math.abs(value))))
      await session.writeState(state)
      const { loss, gradients } = await session.gradients(batch)
      const expected = createReference({ graph, shards: 1, optimizer: sgd }, state).gradients(batch)
      expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(tolerances.loss)
      expectClose(gradients, expected.gradients, tolerances.firstStep)
    })
  })

  test('running statistics: unbiased, averaged over shards, one update a step', async () => {
    const graph = narrowResNet()
    const session = await opened({ graph, shards: 4 })
    const expected = referenceOf({ graph, shards: 4 })
    for (let step = 0; step < 2; step += 1) {
      const batch = batchOf(graph, 8, step)
      await session.step(batch, 1e-6)
      expected.step(batch, 1e-6)
    }
    const state = await session.readState()
    expectClose(state, expected.state, tolerances.firstStep)
    expect(state.get('stem.bn.num_batches_tracked')).toEqual({ shape: [], data: Float32Array.of(2) })
  })

  describe('evaluation', () => {
    test.each([1, 5, 7, 8])('%i images of a global batch of 8', async (count) => {
      const graph = narrowResNet()
      const session = await opened({ graph, shards: 4, devices: 2 })
      const before = await session.readState()
      const batch = batchOf(graph, count)
      const expected = referenceOf({ graph, shards: 4 })
      const result = await session.evaluate(batch)
      const { lossSum, ...scores } = expected.evaluate(batch)
      expect(result).toMatchObject(scores)
      expect(Math.abs(result.lossSum - lossSum)).toBeLessThanOrEqual(tolerances.loss * count * 10)

      const logits = await session.predict(batch.images)
      expect(logits).toHaveLength(count * graph.classes)
      expect(relativeDistance(logits, expected.predict(batch.images))).toBeLessThanOrEqual(tolerances.firstStep)
      expectSame(await session.readState(), before)
    })

    test('an image has the same logits in every batch size, up to rounding', async () => {
      const graph = everyLayer()
      const session = await opened({ graph, shards: 2 })
      const { images } = batchOf(graph)
      const pixels = images.length / 8
      const whole = await session.predict(images)
      for (let image = 0; image < 8; image += 1) {
        const alone = await session.predict(images.subarray(image * pixels, (image + 1) * pixels))
        const together = whole.subarray(image * graph.classes, (image + 1) * graph.classes)
        expect(relativeDistance(alone, together)).toBeLessThanOrEqual(tolerances.firstStep)
      }
    })

    /** A session whose logits are the same for every image. */
    async function openedWithLogits(graph: ModelGraph, logits: readonly number[]) {
      const session = await opened({ graph })
      const state = generateState(graph, 1)
      tensorOf(state, 'fc.weight').data.fill(0)
      tensorOf(state, 'fc.bias').data.set(logits)
      await session.writeState(state)
      return session
    }

    test('counts the images whose label has the largest logit, or one of the five largest; the first of equals leads', async () => {
      const graph = narrowResNet()
      // Ranking: 1, 2, 4, 5, 3 and then 7, 8, 0, 6, 9.
      const session = await openedWithLogits(graph, [0, 9, 5, 3, 5, 4, 0, 2, 2, -1])
      const batch = { ...batchOf(graph), labels: Int32Array.of(1, 2, 3, 7, 1, 9, 0, 4) }
      expect(await session.evaluate(batch)).toMatchObject({
        images: 8,
        correct: 2,
        correct5: 5,
        predicted: new Int32Array(8).fill(1),
      })
      const tied = await openedWithLogits(graph, [1, 2, 2, 2, 2, 2, 2, 0, 0, 0])
      expect(await tied.evaluate({ ...batch, labels: Int32Array.of(1, 2, 3, 4, 5, 6, 6, 0) })).toMatchObject({
        correct: 1,
        correct5: 5,
        predicted: new Int32Array(8).fill(1),
      })
    })

    test('with five classes or fewer every label is among the five', async () => {
      const graph = bareMaxPool()
      const session = await openedWithLogits(graph, [0, 3, 1])
      const batch = { ...batchOf(graph), labels: Int32Array.of(1, 0, 1, 1, 2, 2, 0, 1) }
      expect(await session.evaluate(batch)).toMatchObject({ correct: 4, correct5: 8 })
    })

    test.each([0, 1, 2])('a NaN among the logits, at class %i, is no prediction', async (position) => {
      const graph = bareMaxPool()
      const session = await openedWithLogits(graph, [2, 3, 1].with(position, NaN))
      const result = await session.evaluate({ ...batchOf(graph), labels: Int32Array.of(1, 0, 1, 1, 2, 2, 0, 1) })
      expect(result).toMatchObject({ images: 8, correct: 0, correct5: 0, predicted: new Int32Array(8).fill(-1) })
      expect(result.lossSum).toBeNaN()
    })
  })

  test.each(['stem.conv.weight', 'layer3.0.conv2.weight', 'fc.weight'])(
    'NaN in %s shows in the loss; nothing throws',
    async (tensor) => {
      const graph = narrowResNet()
      const session = await opened({ graph })
      const state = generateState(graph, 1)
      tensorOf(state, tensor).data.fill(NaN)
      await session.writeState(state)
      const batch = batchOf(graph)
      expect((await session.step(batch, 0.1)).loss).not.toSatisfy(Number.isFinite)
      expect((await session.step(batch, 0.1)).loss).not.toSatisfy(Number.isFinite)
    },
  )
}
