// Activations that the native engine makes anew in the backward pass, where they would take much memory, are those it
// would have kept.
import { describe, expect, test } from 'vitest'
import { loadAddon } from '../../src/trainer/addon.ts'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { elementCount, stateEntries } from '../../src/trainer/models/parameters.ts'
import { generateState } from './generate.ts'
import { batchOf, sgd } from './harness.ts'
import { narrowBottlenecks, narrowResNet } from './nets.ts'

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

const globalBatch = 16
const graphs: [string, () => ModelGraph][] = [
  ['basic blocks', narrowResNet],
  ['bottlenecks', narrowBottlenecks],
]

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`activations made anew (${probe.detail})`, () => {
  describe.each(probe.precisions)('%s', (precision) => {
    describe.each([false, true])('syncBatchNorm %s', (syncBatchNorm) => {
      test.each(graphs)('%s: the same bits after three steps, in less memory', async (_, build) => {
        const graph = build()
        const train = async (mostKeptBytes: number) => {
          const deviceCores = [[0], [1]]
          const settings = { globalBatch, shards: 4, optimizer: sgd, precision, syncBatchNorm, mostKeptBytes }
          const session = new (loadAddon() as Addon).Session({ graph, deviceCores, ...settings })
          await session.writeState([...generateState(graph, 1).values()].map(({ data }) => data))
          const { images, labels } = batchOf(graph, globalBatch)
          const losses: number[] = []
          for (let step = 0; step < 3; step += 1) losses.push(await session.step(images, labels, 0.05))
          const state = stateEntries(graph).map(({ shape }) => new Float32Array(elementCount(shape)))
          await session.readState(state)
          const memoryBytes = session.memoryBytes()
          session.close()
          return { losses, state, memoryBytes }
        }
        const [kept, anew] = [await train(2 ** 30), await train(0)]
        expect(anew.losses).toEqual(kept.losses)
        expect(anew.state).toEqual(kept.state)
        expect(anew.memoryBytes).toBeLessThan(kept.memoryBytes)
      })
    })
  })
})
