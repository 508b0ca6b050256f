// Where the time of a step goes, as the native engine tells it.
import { afterAll, describe, expect, test } from 'vitest'
import type { StateDict } from '../../src/trainer/engine.ts'
import { openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { summarise } from '../../src/trainer/models/summary.ts'
import { batchOf, createHarness, expectSame, sgd } from './harness.ts'
import { everyLayer, narrowResNet } from './nets.ts'

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`the step profile (${probe.detail})`, () => {
  // Nothing is compared with the reference here.
  const harness = createHarness(openNativeEngine, { loss: 0, firstStep: 0, fewSteps: 0 })
  afterAll(() => harness.closeAll())

  test('names every step of the plan, with the multiply-adds of the first device', async () => {
    const graph = everyLayer()
    const session = await harness.opened({ graph, globalBatch: 8, shards: 4, devices: 2 })
    const { steps } = (await session.profile?.(batchOf(graph), 1)) ?? { steps: [] }
    const { layers } = summarise(graph)
    expect(steps.map(({ layer, kind }) => [layers[layer]?.name, kind])).toEqual([
      ['stem.conv', 'direct'],
      // With the ReLU behind it.
      ['stem.bn', 'batchNorm'],
      ['maxpool', 'maxPool'],
      ['main.conv', 'direct'],
      ['shortcut.conv', 'direct'],
      ['shortcut.bn', 'batchNorm'],
      // With the residual add, which waits for the shortcut.
      ['main.bn', 'batchNorm'],
      ['inner.conv', 'direct'],
      ['inner.bn', 'batchNorm'],
      ['avgpool', 'globalAvgPool'],
      ['fc', 'linear'],
    ])
    for (const { layer, forwardProducts, backwardProducts } of steps) {
      // Of the 8 images this device has 4.
      const most = 4 * (layers[layer]?.multiplyAdds ?? NaN)
      const name = layers[layer]?.name
      expect(forwardProducts, name).toBeLessThanOrEqual(most)
      // The stem has a border stored, the others leave padding out; the images need no gradient.
      if (name === 'stem.conv' || name === 'shortcut.conv' || name === 'fc') expect(forwardProducts).toBe(most)
      else if (most > 0) expect(forwardProducts, name).toBeGreaterThan(most / 3)
      expect(backwardProducts, name).toBe(forwardProducts * (name === 'stem.conv' ? 1 : 2))
    }
  })

  test.each([1, 2])('on %i devices: parts within the step, plan steps within forward and backward', async (devices) => {
    const graph = narrowResNet()
    const session = await harness.opened({ graph, globalBatch: 32, shards: 4, devices })
    const profile = await session.profile?.(batchOf(graph, 32), 16)
    if (profile === undefined) throw new Error('the session has no profile')
    const { stepSeconds, gradientSeconds, waitingSeconds, updateSeconds, weightCopySeconds, steps } = profile
    const parts = [gradientSeconds, waitingSeconds, updateSeconds, weightCopySeconds]
    for (const seconds of parts) expect(seconds).toBeGreaterThan(0)
    const sum = parts.reduce((total, seconds) => total + seconds, 0)
    expect(sum).toBeLessThanOrEqual(stepSeconds)
    const inPlan = steps.reduce(
      (total, { forwardSeconds, backwardSeconds }) => total + forwardSeconds + backwardSeconds,
      0,
    )
    expect(inPlan).toBeLessThanOrEqual(gradientSeconds)
    expect(inPlan).toBeGreaterThan(0)
  })

  test('counts its steps, leaves the weights, and is over when it is over', async () => {
    const graph = narrowResNet()
    const session = await harness.opened({ graph, shards: 2, optimizer: sgd })
    const before = await session.readState()
    await session.profile?.(batchOf(graph), 3)
    expect((await session.readOptimizerState()).step).toBe(3)
    expectSame(parametersOf(await session.readState()), parametersOf(before))
    await session.step(batchOf(graph), 0.1)
    expect((await session.readOptimizerState()).step).toBe(4)
  })

  test.each([0, -1, 1.5, NaN])('of %d steps is refused', async (repetitions) => {
    const graph = narrowResNet()
    const session = await harness.opened({ graph })
    await expect(session.profile?.(batchOf(graph), repetitions)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect((await session.readOptimizerState()).step).toBe(0)
  })

  test('of another number of images is refused', async () => {
    const graph = narrowResNet()
    const session = await harness.opened({ graph })
    await expect(session.profile?.(batchOf(graph, 3), 1)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

function parametersOf(state: StateDict): StateDict {
  return new Map([...state].filter(([name]) => !/\.(running_|num_batches)/.test(name)))
}
