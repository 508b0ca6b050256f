// What the groups of the contract share: sessions with generated weights, their references, comparisons.
import { expect } from 'vitest'
import type { z } from 'zod'
import { optimizerSchema } from '../../src/shared/recipe.ts'
import type { AssignedDevice, OptimizerSpec } from '../../src/shared/run-spec.ts'
import type { Batch, Engine, Session, SessionSpec, StateDict } from '../../src/trainer/engine.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { relativeDistance } from './distance.ts'
import { generateBatch, generateState } from './generate.ts'
import { createReference, type Reference, type Values } from './reference.ts'

export interface Tolerances {
  /** Of a loss, absolute. */
  loss: number
  /** Of a tensor after the first forward and backward, relative to its norm. */
  firstStep: number
  /** Of a tensor after a few updates, relative to its norm. */
  fewSteps: number
}

/** An optimiser with the defaults of a run spec. */
export function optimizerOf(settings: z.input<typeof optimizerSchema>): OptimizerSpec {
  return optimizerSchema.parse(settings)
}

export const sgd = optimizerOf({ kind: 'SGD', weightDecay: 5e-4 })
export const adam = optimizerOf({ kind: 'ADAM', weightDecay: 1e-2 })
export const adamW = optimizerOf({ kind: 'ADAMW', weightDecay: 0.1 })

/** Partitions that share the first core: what counts here is the answer, not the speed. */
export function cpuDevices(count: number): AssignedDevice[] {
  return Array.from({ length: count }, (_, index) => ({ kind: 'CPU', name: `cpu:${index}`, cores: [0] }))
}

/** By default a global batch of 8, one shard, one device, SGD. */
export interface Opening extends Partial<Omit<SessionSpec, 'devices'>> {
  graph: ModelGraph
  devices?: number | readonly AssignedDevice[]
  /** Of the weights, default 1. */
  seed?: number
}

export interface Harness {
  tolerances: Tolerances
  /** The engine, opened once. */
  engine: () => Promise<Engine>
  /** A session as the engine gives it, closed at the end. */
  open: (spec: SessionSpec) => Promise<Session>
  /** A session with generated weights. */
  opened: (opening: Opening) => Promise<Session>
  closeAll: () => Promise<void>
}

export function createHarness(openEngine: () => Promise<Engine>, tolerances: Tolerances): Harness {
  let opening: Promise<Engine> | undefined
  const sessions: Session[] = []
  const harness: Harness = {
    tolerances,
    engine: () => (opening ??= openEngine()),
    async open(spec) {
      const session = await (await harness.engine()).open(spec)
      sessions.push(session)
      return session
    },
    async opened({ devices = 1, seed = 1, ...spec }) {
      const session = await harness.open({
        ...{ globalBatch: 8, shards: 1, optimizer: sgd, ...spec },
        devices: typeof devices === 'number' ? cpuDevices(devices) : devices,
      })
      await session.writeState(generateState(spec.graph, seed))
      return session
    },
    async closeAll() {
      await Promise.all(sessions.map((session) => session.close()))
    },
  }
  return harness
}

/** The float64 reference of `Harness.opened` with the same opening. */
export function referenceOf({ seed = 1, ...spec }: Omit<Opening, 'devices' | 'precision'>): Reference {
  return createReference({ shards: 1, optimizer: sgd, ...spec }, generateState(spec.graph, seed))
}

export function batchOf(graph: ModelGraph, count = 8, step = 0): Batch {
  return generateBatch(graph, count, { seed: 1, step })
}

export function expectClose(actual: StateDict, expected: Values, tolerance: number): void {
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [tensor, values] of expected) {
    const distance = relativeDistance(actual.get(tensor)?.data ?? [], values)
    expect(distance, `relative distance of ${tensor}`).toBeLessThanOrEqual(tolerance)
  }
}

/** Same names in the same order, same shapes, same bits: -0 is not 0, and NaN is NaN. */
export function expectSame(actual: StateDict, expected: StateDict): void {
  expect([...actual.keys()]).toEqual([...expected.keys()])
  for (const [tensor, { shape, data }] of expected) {
    expect(actual.get(tensor)?.shape, tensor).toEqual(shape)
    expect(bytes(actual.get(tensor)?.data).equals(bytes(data)), `bits of ${tensor}`).toBe(true)
  }
}

/** A tensor that must be there. */
export function tensorOf(dict: StateDict, name: string) {
  const tensor = dict.get(name)
  if (tensor === undefined) throw new RangeError(`no tensor ${name}`)
  return tensor
}

function bytes(data: Float32Array | undefined): Buffer {
  return data === undefined ? Buffer.alloc(0) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
