// Data gradients that turn the maps, not the weights: the same bits, and no copies of weights.
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { loadAddon } from '../../src/trainer/addon.ts'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { elementCount, stateEntries } from '../../src/trainer/models/parameters.ts'
import { generateState } from './generate.ts'
import { batchOf, sgd } from './harness.ts'
import { manyChannels } from './nets.ts'

interface AddonSession {
  step(images: Float32Array, labels: Int32Array, learningRate: number): Promise<number>
  readState(tensors: Float32Array[]): Promise<void>
  writeState(tensors: Float32Array[]): Promise<void>
  memoryBytes(): number
  close(): void
}
interface Addon {
  Session: new (spec: object) => AddonSession
}

const graph = manyChannels()
/** Shards of so many images: some fill panels of the widest instruction set, some do not. */
const cases = [
  { globalBatch: 32, shards: 2, deviceCores: [[0], [1]] },
  { globalBatch: 64, shards: 1, deviceCores: [[0]] },
  { globalBatch: 48, shards: 1, deviceCores: [[0, 1]] },
  { globalBatch: 64, shards: 4, deviceCores: [[0], [1]], syncBatchNorm: true },
]

async function train(settings: { globalBatch: number; leastTurnedWeights: number }) {
  const session = new (loadAddon() as Addon).Session({ graph, optimizer: sgd, ...settings })
  await session.writeState([...generateState(graph, 1).values()].map(({ data }) => data))
  const { images, labels } = batchOf(graph, settings.globalBatch)
  const losses: number[] = []
  for (let step = 0; step < 3; step += 1) losses.push(await session.step(images, labels, 0.05))
  const state = stateEntries(graph).map(({ shape }) => new Float32Array(elementCount(shape)))
  await session.readState(state)
  const memory = session.memoryBytes()
  session.close()
  const hash = createHash('sha256')
  for (const tensor of state) hash.update(tensor)
  return { trained: { losses, state: hash.digest('hex') }, memory }
}

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`turned data gradients (${probe.detail})`, () => {
  test.each(cases)('%j: the bits that transposed weights give, after three steps', async (settings) => {
    const transposed = await train({ ...settings, leastTurnedWeights: Infinity })
    const turned = await train({ ...settings, leastTurnedWeights: 0 })
    expect(turned.memory).not.toBe(transposed.memory)
    expect(new Set(turned.trained.losses).size).toBe(3)
    expect(turned.trained).toEqual(transposed.trained)
  })
})
