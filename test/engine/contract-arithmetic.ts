// The arithmetic of an engine against the float64 reference: gradients, updates, evaluation, and one answer for all.
import { describe, expect, test } from 'vitest'
import type { OptimizerSpec } from '../../src/shared/run-spec.ts'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'
import { relativeDistance } from './distance.ts'
import { generateState } from './generate.ts'
import {
  adam,
  batchOf,
  expectClose,
  expectSame,
  optimizerOf,
  referenceOf,
  sgd,
  tensorOf,
  type Harness,
} from './harness.ts'
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

  describe('updates', () => {
    const optimizers: [string, OptimizerSpec][] = [
      ['SGD with momentum and weight decay', sgd],
      ['plain SGD', optimizerOf({ kind: 'SGD', momentum: 0 })],
      ['Adam with weight decay', adam],
    ]
    test.each(optimizers)('%s: losses, weights, running statistics, optimiser state', async (_, optimizer) => {
      const graph = everyLayer()
      const session = await opened({ graph, shards: 2, optimizer })
      const expected = referenceOf({ graph, shards: 2, optimizer })
      for (let step = 0; step < 4; step += 1) {
        const learningRate = optimizer.kind === 'SGD' ? 0.05 / (step + 1) : 0.003 / (step + 1)
        const batch = batchOf(graph, 8, step)
        const { loss } = await session.step(batch, learningRate)
        const expectedLoss = expected.step(batch, learningRate)
        expect(Math.abs(loss - expectedLoss), `loss of step ${step}`).toBeLessThanOrEqual(10 * tolerances.loss)
      }
      expectClose(await session.readState(), expected.state, tolerances.fewSteps)
      const { step, tensors } = await session.readOptimizerState()
      expect(step).toBe(4)
      expectClose(tensors, expected.slots, tolerances.fewSteps)
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
  })

  describe('one answer', () => {
    /** State, optimiser state and losses after a few steps. */
    async function train(devices: number, optimizer: OptimizerSpec) {
      const graph = narrowResNet()
      const session = await opened({ graph, globalBatch: 16, shards: 4, devices, optimizer })
      const losses: number[] = []
      for (let step = 0; step < 4; step += 1) losses.push((await session.step(batchOf(graph, 16, step), 0.01)).loss)
      return { losses, state: await session.readState(), optimizerState: await session.readOptimizerState() }
    }

    test.each([sgd, adam])('$kind: bit-equal on 1, 2 and 4 devices and in a rerun', async (optimizer) => {
      const expected = await train(1, optimizer)
      for (const devices of [1, 2, 4]) {
        const actual = await train(devices, optimizer)
        expect(actual.losses, `${devices} devices`).toEqual(expected.losses)
        expectSame(actual.state, expected.state)
        expectSame(actual.optimizerState.tensors, expected.optimizerState.tensors)
      }
    })

    test.each([sgd, adam])('$kind: state written to another session goes on bit-equal', async (optimizer) => {
      const graph = everyLayer()
      const whole = await opened({ graph, shards: 2, optimizer })
      const begun = await opened({ graph, shards: 2, optimizer })
      for (const session of [whole, begun]) for (const step of [0, 1]) await session.step(batchOf(graph, 8, step), 0.01)

      const resumed = await opened({ graph, shards: 2, devices: 2, optimizer, seed: 2 })
      await resumed.step(batchOf(graph, 8, 7), 0.01)
      await resumed.writeState(await begun.readState())
      await resumed.writeOptimizerState(await begun.readOptimizerState())
      for (const session of [whole, resumed])
        for (const step of [2, 3]) await session.step(batchOf(graph, 8, step), 0.01)
      expectSame(await resumed.readState(), await whole.readState())
      const expected = await whole.readOptimizerState()
      const actual = await resumed.readOptimizerState()
      expect(actual.step).toBe(4)
      expectSame(actual.tensors, expected.tensors)
    })
  })

  describe('evaluation', () => {
    test.each([1, 5, 7, 8])('%i images of a global batch of 8', async (count) => {
      const graph = narrowResNet()
      const session = await opened({ graph, shards: 4, devices: 2 })
      const before = await session.readState()
      const batch = batchOf(graph, count)
      const expected = referenceOf({ graph, shards: 4 })
      const result = await session.evaluate(batch)
      const { images, lossSum, correct } = expected.evaluate(batch)
      expect(result).toMatchObject({ images, correct })
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

    test('counts the images whose largest logit is their label', async () => {
      const graph = bareMaxPool()
      const session = await opened({ graph })
      const state = generateState(graph, 1)
      state.get('fc.weight')?.data.fill(0)
      state.get('fc.bias')?.data.set([0, 3, 1])
      await session.writeState(state)
      const batch = { ...batchOf(graph), labels: Int32Array.of(1, 0, 1, 1, 2, 2, 0, 1) }
      expect((await session.evaluate(batch)).correct).toBe(4)
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
