// The float64 reference by itself: its gradients are the slopes of its loss, its batch norm is PyTorch's.
import { describe, expect, test } from 'vitest'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'
import { mix, generateBatch, generateState, streamKey, uniform } from './generate.ts'
import { optimizerOf } from './harness.ts'
import { bareMaxPool, everyLayer, narrowBottlenecks, narrowResNet } from './nets.ts'
import { createReference } from './reference.ts'

const sgd = optimizerOf({ kind: 'SGD', weightDecay: 0.01 })

describe('every gradient is the slope of the loss', () => {
  test.each([everyLayer, bareMaxPool, narrowResNet, narrowBottlenecks])('%o', (net) => {
    const graph = net()
    const reference = createReference({ graph, shards: 2, optimizer: sgd }, generateState(graph, 1))
    const batch = generateBatch(graph, 8, { seed: 1, step: 0 })
    const { gradients } = reference.gradients(batch)
    // A step so small that no ReLU or maximum changes sides on the way.
    const half = 1e-7
    for (const { name } of parameterEntries(graph)) {
      const weights = reference.state.get(name) ?? new Float64Array()
      const gradient = gradients.get(name) ?? new Float64Array()
      // Along the gradient itself: the slope there is its norm, so a wrong value anywhere in it shows.
      const size = Math.hypot(...gradient)
      const before = Float64Array.from(weights)
      const lossAt = (distance: number): number => {
        before.forEach((value, i) => (weights[i] = value + (distance * (gradient[i] ?? NaN)) / size))
        return reference.gradients(batch).loss
      }
      const slope = (lossAt(half) - lossAt(-half)) / (2 * half)
      weights.set(before)
      expect(Math.abs(slope / size - 1), name).toBeLessThanOrEqual(1e-4)
    }
  })
})

test('the update of SGD by hand: buffer starts as the first gradient, decay joins the gradient', () => {
  const graph = bareMaxPool()
  const reference = createReference({ graph, shards: 1, optimizer: sgd }, generateState(graph, 1))
  const bias = reference.state.get('fc.bias') ?? new Float64Array()
  const batches = [0, 1].map((step) => generateBatch(graph, 4, { seed: 1, step }))
  let [weight = NaN] = bias
  let buffer = 0
  batches.forEach((batch, step) => {
    const gradient = (reference.gradients(batch).gradients.get('fc.bias')?.[0] ?? NaN) + 0.01 * weight
    buffer = step === 0 ? gradient : 0.9 * buffer + gradient
    weight -= 0.1 * buffer
    reference.step(batch, 0.1)
    expect(bias[0]).toBeCloseTo(weight, 14)
  })
})

test('the first update of Adam moves every weight by the learning rate', () => {
  const graph = bareMaxPool()
  const adam = optimizerOf({ kind: 'ADAM', epsilon: 1e-12 })
  const reference = createReference({ graph, shards: 1, optimizer: adam }, generateState(graph, 1))
  const before = [...(reference.state.get('fc.weight') ?? [])]
  const batch = generateBatch(graph, 4, { seed: 1, step: 0 })
  const gradient = reference.gradients(batch).gradients.get('fc.weight') ?? new Float64Array()
  reference.step(batch, 0.01)
  const after = reference.state.get('fc.weight') ?? new Float64Array()
  before.forEach((value, i) => expect(after[i]).toBeCloseTo(value - 0.01 * Math.sign(gradient[i] ?? NaN), 8))
})

test('the generator gives the numbers that parity/reference.py gives', () => {
  expect(mix(1)).toBe(1753845952)
  expect(streamKey(1, 'conv1.weight')).toBe(3201042137)
  expect([0, 1, 2].map((index) => uniform(streamKey(1, 'conv1.weight'), index))).toEqual([
    -0.2817821502685547, -0.4168144464492798, -0.40085530281066895,
  ])
})
