// TensorFlow.js on its plain JavaScript backend: too slow to train, but it has the filter gradient of its own that
// tfjs-node has too, and it shows that the engine leans on no backend. A process has one backend: this one is its own.
import * as tf from '@tensorflow/tfjs'
import { expect, test } from 'vitest'
import { openTfjsEngine } from '../../src/trainer/engines/tfjs.ts'
import { cpuDevices, sgd as optimizer } from './harness.ts'
import { relativeDistance } from './distance.ts'
import { generateBatch, generateState } from './generate.ts'
import { bareMaxPool, everyLayer, narrowBottlenecks } from './nets.ts'
import { createReference } from './reference.ts'

test.each([everyLayer, bareMaxPool, narrowBottlenecks])('%o: loss, gradients and an update', async (net) => {
  const graph = net()
  const engine = await openTfjsEngine({ backend: 'cpu' })
  expect(tf.getBackend()).toBe('cpu')
  expect(tf.getKernel('Conv2DBackpropFilter', 'cpu')).toBeDefined()
  const session = await engine.open({ graph, globalBatch: 8, shards: 2, devices: cpuDevices(1), optimizer })
  await session.writeState(generateState(graph, 1))
  const reference = createReference({ graph, shards: 2, optimizer }, generateState(graph, 1))

  const batch = generateBatch(graph, 8, { seed: 1, step: 0 })
  const expected = reference.gradients(batch)
  const { loss, gradients } = await session.gradients(batch)
  expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(3e-6)
  for (const [name, values] of expected.gradients)
    expect(relativeDistance(gradients.get(name)?.data ?? [], values), name).toBeLessThanOrEqual(5e-5)

  await session.step(batch, 0.05)
  reference.step(batch, 0.05)
  const state = await session.readState()
  for (const [name, values] of reference.state)
    expect(relativeDistance(state.get(name)?.data ?? [], values), name).toBeLessThanOrEqual(5e-5)
  await session.close()
})
