// The TensorFlow.js engine as it comes: on its wasm backend, unless tfjs-node is installed.
import * as tf from '@tensorflow/tfjs'
import { expect, test } from 'vitest'
import { openTfjsEngine, probeTfjs } from '../../src/trainer/engines/tfjs.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { describeEngine } from './contract.ts'
import { adam as optimizer, cpuDevices } from './harness.ts'
import { generateBatch, generateState } from './generate.ts'
import { everyLayer } from './nets.ts'

describeEngine('tfjs', openTfjsEngine, { tolerances: { loss: 3e-6, firstStep: 5e-5, fewSteps: 1e-4 } })

test('the probe says what the engine then is', async () => {
  const probe = await probeTfjs()
  const engine = await openTfjsEngine()
  expect(engine.name).toBe('tfjs')
  expect(engine.detail.startsWith(probe.detail)).toBe(true)
  expect(probe.detail).toContain(probe.version)
  expect(tf.getBackend()).toBe(probe.backend)
})

test('no call leaves a tensor behind, and close frees the rest', async () => {
  const engine = await openTfjsEngine()
  const graph = everyLayer()
  const before = tf.memory().numTensors
  const session = await engine.open({ graph, globalBatch: 8, shards: 4, devices: cpuDevices(2), optimizer })
  const held = tf.memory().numTensors
  expect(held).toBeGreaterThan(before)

  const state = generateState(graph, 1)
  for (let step = 0; step < 3; step += 1) {
    const batch = generateBatch(graph, 8, { seed: 1, step })
    await session.writeState(state)
    await session.step(batch, 0.01)
    await session.gradients(batch)
    await session.evaluate(batch)
    await session.predict(batch.images)
    await session.readState()
    await session.writeOptimizerState(await session.readOptimizerState())
    await expect(session.writeState(new Map())).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
    await expect(session.step({ ...batch, labels: batch.labels.map(() => 99) }, 0.01)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    expect(tf.memory().numTensors).toBe(held)
  }
  await session.close()
  expect(tf.memory().numTensors).toBe(before)
})

test('a second backend in one process is refused', async () => {
  await openTfjsEngine()
  await expect(openTfjsEngine({ backend: 'cpu' })).rejects.toMatchObject({ code: 'CONFLICT' })
})

test('a CUDA device that the backend does not serve is refused with what to install', async (context) => {
  const probe = await probeTfjs()
  if (probe.servesCuda) context.skip(`${probe.detail} is installed`)
  const engine = await openTfjsEngine()
  const devices = [{ kind: 'CUDA', name: 'cuda:0', uuid: 'GPU-0' } as const]
  const opening = engine.open({ graph: everyLayer(), globalBatch: 8, shards: 4, devices, optimizer })
  await expect(opening).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: expect.stringContaining('cuda:0') as string,
    fix: expect.stringContaining('@tensorflow/tfjs-node-gpu') as string,
  })
})

test('a precision that it lacks is refused with the engine that has it', async () => {
  const engine = await openTfjsEngine()
  const spec = { graph: everyLayer(), globalBatch: 8, shards: 4, devices: cpuDevices(1), optimizer }
  await expect(engine.open({ ...spec, precision: 'BF16' })).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    field: 'precision',
    message: 'The TensorFlow.js engine computes in FP32; got precision BF16.',
    fix: expect.stringContaining('native engine') as string,
  })
})

test('a session beyond what WebAssembly addresses is refused before anything is allocated', async (context) => {
  const probe = await probeTfjs()
  if (probe.backend !== 'wasm') context.skip(`the backend is ${probe.backend}`)
  const engine = await openTfjsEngine()
  const before = tf.memory().numTensors
  const graph = resnet({ architecture: 'RESNET50', input: { channels: 3, height: 224, width: 224 }, classes: 1000 })
  const opening = engine.open({ graph, globalBatch: 256, shards: 4, devices: cpuDevices(1), optimizer })
  await expect(opening).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
  expect(tf.memory().numTensors).toBe(before)
})

test('the tensorflow backend without its package is refused with what to install', async (context) => {
  if ((await probeTfjs()).backend === 'tensorflow') context.skip('tfjs-node is installed')
  await expect(probeTfjs('tensorflow')).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    fix: expect.stringContaining('@tensorflow/tfjs-node') as string,
  })
})
