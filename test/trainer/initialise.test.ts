// Initial weights: torchvision's scheme, tensor by tensor, and their dependence on the seed alone.
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { StateDict } from '../../src/trainer/engine.ts'
import { initialState } from '../../src/trainer/initialise.ts'
import { stateEntries } from '../../src/trainer/models/parameters.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'

const graph = resnet({ architecture: 'RESNET18', input: { channels: 1, height: 28, width: 28 }, classes: 10 })

function tensor(state: StateDict, name: string): number[] {
  return [...(state.get(name)?.data ?? [])]
}

function deviation(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)
}

function hash(state: StateDict): string {
  const sum = createHash('sha256')
  for (const [name, { data }] of state) sum.update(name).update(data)
  return sum.digest('hex')
}

describe('initialState', () => {
  let state: StateDict
  beforeAll(() => {
    state = initialState(graph, 0)
  })

  test('holds every tensor of the model in its shape and order', () => {
    const expected = stateEntries(graph).map(({ name, shape }) => ({
      name,
      shape,
      length: shape.reduce((a, b) => a * b, 1),
    }))
    expect([...state].map(([name, { shape, data }]) => ({ name, shape, length: data.length }))).toEqual(expected)
  })

  test.each([
    ['conv1.weight', 2 / (64 * 49)],
    ['layer1.0.conv1.weight', 2 / (64 * 9)],
    ['layer4.0.conv1.weight', 2 / (512 * 9)],
    ['layer4.0.downsample.0.weight', 2 / 512],
  ])('%s is normal with variance 2 / fan_out', (name, variance) => {
    const values = tensor(state, name)
    expect(deviation(values) / Math.sqrt(variance)).toBeCloseTo(1, 1)
    const within = values.filter((value) => Math.abs(value) < Math.sqrt(variance)).length / values.length
    expect(within).toBeCloseTo(0.683, 1)
  })

  test('fc is uniform within 1 / sqrt(fan_in), weight and bias', () => {
    const bound = 1 / Math.sqrt(512)
    const weight = tensor(state, 'fc.weight')
    expect(Math.max(...weight.map(Math.abs))).toBeLessThan(bound)
    expect(Math.max(...weight.map(Math.abs))).toBeGreaterThan(0.99 * bound)
    expect(deviation(weight)).toBeCloseTo(bound / Math.sqrt(3), 3)
    const bias = tensor(state, 'fc.bias')
    expect(new Set(bias).size).toBe(10)
    expect(Math.max(...bias.map(Math.abs))).toBeLessThan(bound)
  })

  test.each([
    ['bn1.weight', 1],
    ['bn1.bias', 0],
    ['bn1.running_mean', 0],
    ['bn1.running_var', 1],
    ['layer2.0.downsample.1.weight', 1],
    ['bn1.num_batches_tracked', 0],
  ])('%s is %d throughout', (name, value) => {
    expect(new Set(tensor(state, name))).toEqual(new Set([value]))
  })

  test('is a function of the seed', () => {
    expect(hash(state)).toMatchInlineSnapshot(`"2bc5b199d4c51a2d8b5cbe5c937acc4897f4ff6fa3823aeaa18f5d08f44677d0"`)
    expect(hash(initialState(graph, 0))).toBe(hash(state))
    expect(hash(initialState(graph, 1))).not.toBe(hash(state))
  })
})
