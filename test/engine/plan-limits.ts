// Trains by the addon itself, with limits of a plan that the engine does not offer: what lies beyond them must not tell.
import { createHash } from 'node:crypto'
import { loadAddon } from '../../src/trainer/addon.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { elementCount, stateEntries } from '../../src/trainer/models/parameters.ts'
import { generateState } from './generate.ts'
import { batchOf, sgd } from './harness.ts'

interface AddonSession {
  step(images: Float32Array, labels: Int32Array, learningRate: number): Promise<number>
  predict(images: Float32Array): Promise<Float32Array>
  readState(tensors: Float32Array[]): Promise<void>
  writeState(tensors: Float32Array[]): Promise<void>
  memoryBytes(): number
  close(): void
}
interface Addon {
  Session: new (spec: object) => AddonSession
}

/** As in `PlanLimits`. */
interface PlanLimits {
  mostKeptBytes?: number
  leastJoinedBytes?: number
  leastTurnedWeights?: number
  mostDeferredBytes?: number
}

export interface AddonSettings extends PlanLimits {
  globalBatch: number
  shards: number
  deviceCores: number[][]
  precision?: string
  syncBatchNorm?: boolean
}

/** With generated weights. */
export async function openAddonSession(graph: ModelGraph, settings: AddonSettings): Promise<AddonSession> {
  const session = new (loadAddon() as Addon).Session({ graph, optimizer: sgd, ...settings })
  await session.writeState([...generateState(graph, 1).values()].map(({ data }) => data))
  return session
}

/** Three steps: their losses, a digest of the state after them, and the bytes that the session holds. */
export async function trainByAddon(graph: ModelGraph, settings: AddonSettings) {
  const session = await openAddonSession(graph, settings)
  const { images, labels } = batchOf(graph, settings.globalBatch)
  const losses: number[] = []
  for (let step = 0; step < 3; step += 1) losses.push(await session.step(images, labels, 0.05))
  const state = stateEntries(graph).map(({ shape }) => new Float32Array(elementCount(shape)))
  await session.readState(state)
  const hash = createHash('sha256')
  for (const tensor of state) hash.update(tensor)
  const memoryBytes = session.memoryBytes()
  session.close()
  return { trained: { losses, state: hash.digest('hex') }, memoryBytes }
}
