// The recipes of an engine against the float64 reference: every optimiser, label smoothing, clipping, one answer for all.
import { describe, expect, test } from 'vitest'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'
import { norm } from './distance.ts'
import {
  adam,
  adamW,
  batchOf,
  expectClose,
  expectSame,
  optimizerOf,
  referenceOf,
  sgd,
  tensorOf,
  type Harness,
  type Opening,
} from './harness.ts'
import { everyLayer, narrowResNet } from './nets.ts'

type Recipe = Omit<Opening, 'graph'>

const nesterov = optimizerOf({ kind: 'SGD', nesterov: true, weightDecay: 5e-4 })

export function describeRecipes(harness: Harness): void {
  const { tolerances, opened } = harness

  describe('updates', () => {
    const recipes: [string, Recipe][] = [
      ['SGD with momentum and weight decay', { optimizer: sgd }],
      ['plain SGD', { optimizer: optimizerOf({ kind: 'SGD', momentum: 0 }) }],
      ['SGD with Nesterov', { optimizer: nesterov }],
      [
        'SGD with decay of weights alone',
        { optimizer: optimizerOf({ kind: 'SGD', weightDecay: 2, decayVectors: false }) },
      ],
      ['Adam with weight decay', { optimizer: adam }],
      ['Adam with other settings', { optimizer: optimizerOf({ kind: 'ADAM', beta1: 0.5, beta2: 0.9, epsilon: 1e-3 }) }],
      ['AdamW', { optimizer: adamW }],
      [
        'AdamW with decay of weights alone',
        { optimizer: optimizerOf({ kind: 'ADAMW', weightDecay: 9, decayVectors: false }) },
      ],
      ['label smoothing', { labelSmoothing: 0.1 }],
      ['clipping', { clipNorm: 0.05 }],
      ['AdamW, smoothing and clipping together', { optimizer: adamW, labelSmoothing: 0.2, clipNorm: 0.01 }],
    ]
    const nets = [
      { net: everyLayer, globalBatch: 8, steps: 4, rates: { sgd: 0.05, adam: 0.003 } },
      // Its 1x1 maps leave most taps of a filter without gradient; decay and momentum move them all the same. It is
      // deep for its size: steps that are not small let rounding grow through its ReLUs.
      { net: narrowResNet, globalBatch: 16, steps: 3, rates: { sgd: 0.002, adam: 1e-4 } },
    ]
    for (const { net, globalBatch, steps, rates } of nets) {
      const graph = net()
      const title = `${graph.architecture}, %s: losses, weights, running statistics, optimiser state`
      test.each(recipes)(title, async (_, recipe) => {
        const opening = { graph, globalBatch, shards: 2, ...recipe }
        const session = await opened(opening)
        const expected = referenceOf(opening)
        const rate = (recipe.optimizer ?? sgd).kind === 'SGD' ? rates.sgd : rates.adam
        for (let step = 0; step < steps; step += 1) {
          const batch = batchOf(graph, globalBatch, step)
          const { loss } = await session.step(batch, rate / (step + 1))
          const expectedLoss = expected.step(batch, rate / (step + 1))
          expect(Math.abs(loss - expectedLoss), `loss of step ${step}`).toBeLessThanOrEqual(10 * tolerances.loss)
        }
        expectClose(await session.readState(), expected.state, tolerances.fewSteps)
        const { step, tensors } = await session.readOptimizerState()
        expect(step).toBe(steps)
        expectClose(tensors, expected.slots, tolerances.fewSteps)
      })
    }

    test('decay of weights alone leaves what has no gradient where it is, if it is a vector', async () => {
      const graph = narrowResNet()
      const optimizer = optimizerOf({ kind: 'SGD', weightDecay: 0.5, decayVectors: false })
      const session = await opened({ graph, optimizer })
      const before = await session.readState()
      // A rate of zero for the gradient's part cannot be had: so small a clip norm does as well.
      const still = await opened({ graph, optimizer, clipNorm: 1e-30 })
      await still.step(batchOf(graph), 0.5)
      const after = await still.readState()
      for (const { name, shape } of parameterEntries(graph)) {
        const kept = shape.length === 1 ? 1 : 0.75
        const expected = tensorOf(before, name).data.map((value) => kept * value)
        expectClose(new Map([[name, tensorOf(after, name)]]), new Map([[name, Float64Array.from(expected)]]), 1e-6)
      }
    })
  })

  describe('label smoothing', () => {
    test.each([0.1, 0.5, 0.999])('%d: loss and every gradient', async (labelSmoothing) => {
      const graph = everyLayer()
      const session = await opened({ graph, shards: 2, labelSmoothing })
      const batch = batchOf(graph)
      const { loss, gradients } = await session.gradients(batch)
      const expected = referenceOf({ graph, shards: 2, labelSmoothing }).gradients(batch)
      expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(tolerances.loss)
      expectClose(gradients, expected.gradients, tolerances.firstStep)
    })

    test('is not part of evaluation', async () => {
      const graph = everyLayer()
      const batch = batchOf(graph)
      const smoothed = await opened({ graph, labelSmoothing: 0.3 })
      const plain = await opened({ graph })
      expect(await smoothed.evaluate(batch)).toEqual(await plain.evaluate(batch))
    })
  })

  describe('clipping', () => {
    /** What one update of plain SGD takes off the weights: the gradient it used. */
    async function used(clipNorm: number | null) {
      const graph = narrowResNet()
      const session = await opened({ graph, shards: 4, optimizer: optimizerOf({ kind: 'SGD', momentum: 0 }), clipNorm })
      const batch = batchOf(graph)
      const { gradients } = await session.gradients(batch)
      await session.step(batch, 1)
      const { tensors } = await session.readOptimizerState()
      const squares = (named: typeof gradients) => norm([...named.values()].map(({ data }) => norm(data)))
      return { norm: squares(gradients), used: squares(tensors), tensors }
    }

    test('takes the norm over the whole gradient, and leaves `gradients` as they are', async () => {
      const free = await used(null)
      expect(free.used / free.norm).toBeCloseTo(1, 6)
      const limit = free.norm / 3
      const limited = await used(limit)
      expect(limited.norm).toBe(free.norm)
      expect(limited.used / limit).toBeCloseTo(1, 5)
    })

    test('changes no bit of a gradient within the limit', async () => {
      const free = await used(null)
      const limited = await used(free.norm * 1.01)
      expectSame(limited.tensors, free.tensors)
    })
  })

  describe('one answer', () => {
    const recipes: [string, Recipe][] = [
      ['SGD', { optimizer: sgd }],
      ['SGD with Nesterov, clipped', { optimizer: nesterov, clipNorm: 0.1 }],
      ['Adam', { optimizer: adam }],
      ['AdamW', { optimizer: adamW }],
      ['AdamW, smoothed and clipped', { optimizer: adamW, labelSmoothing: 0.1, clipNorm: 0.1 }],
    ]

    /** State, optimiser state and losses after a few steps. */
    async function train(devices: number, recipe: Recipe) {
      const graph = narrowResNet()
      const session = await opened({ graph, globalBatch: 16, shards: 4, devices, ...recipe })
      const losses: number[] = []
      for (let step = 0; step < 4; step += 1) losses.push((await session.step(batchOf(graph, 16, step), 0.01)).loss)
      return { losses, state: await session.readState(), optimizerState: await session.readOptimizerState() }
    }

    test.each(recipes)('%s: bit-equal on 1, 2 and 4 devices and in a rerun', async (_, recipe) => {
      const expected = await train(1, recipe)
      for (const devices of [1, 2, 4]) {
        const actual = await train(devices, recipe)
        expect(actual.losses, `${devices} devices`).toEqual(expected.losses)
        expectSame(actual.state, expected.state)
        expectSame(actual.optimizerState.tensors, expected.optimizerState.tensors)
      }
    })

    test.each(recipes)('%s: state written to another session goes on bit-equal', async (_, recipe) => {
      const opening = { graph: everyLayer(), shards: 2, ...recipe }
      const { graph } = opening
      const whole = await opened(opening)
      const begun = await opened(opening)
      for (const session of [whole, begun]) for (const step of [0, 1]) await session.step(batchOf(graph, 8, step), 0.01)

      const resumed = await opened({ ...opening, devices: 2, seed: 2 })
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
}
