// The edges of a session: state in and out, refusals that change nothing, sessions side by side, the end.
import { describe, expect, test } from 'vitest'
import type { OptimizerState, SessionSpec, StateDict } from '../../src/trainer/engine.ts'
import { parameterEntries, stateEntries } from '../../src/trainer/models/parameters.ts'
import { createReplicaRows, readReplicas, type ReplicaState } from '../../src/trainer/replica-progress.ts'
import { generateState } from './generate.ts'
import { adam, batchOf, cpuDevices, expectSame, referenceOf, sgd, tensorOf, type Harness } from './harness.ts'
import { everyLayer, narrowResNet } from './nets.ts'

export function describeSessions(harness: Harness): void {
  const { tolerances, opened } = harness

  test('opens with zeros under torchvision names, in order', async () => {
    const graph = narrowResNet()
    const session = await harness.open({ graph, globalBatch: 4, shards: 2, devices: cpuDevices(1), optimizer: sgd })
    const state = await session.readState()
    expect([...state].map(([tensor, { shape }]) => [tensor, shape])).toEqual(
      stateEntries(graph).map((entry) => [entry.name, entry.shape]),
    )
    for (const [tensor, { data }] of state)
      expect(
        data.every((value) => value === 0),
        tensor,
      ).toBe(true)
    const { step, tensors } = await session.readOptimizerState()
    expect(step).toBe(0)
    expect([...tensors.keys()]).toEqual(parameterEntries(graph).map((entry) => `momentum_buffer.${entry.name}`))
    for (const [tensor, { data }] of tensors)
      expect(
        data.every((value) => value === 0),
        tensor,
      ).toBe(true)
    expect(session.memoryBytes).toBeGreaterThan(0)
  })

  describe('state', () => {
    test('comes back bit for bit', async () => {
      const graph = everyLayer()
      const session = await opened({ graph, optimizer: adam })
      const state = generateState(graph, 3)
      const bias = state.get('fc.bias')
      bias?.data.set([-0, 1e-42, 3.4e38, Math.fround(1 / 3), -1])
      await session.writeState(state)
      expectSame(await session.readState(), state)

      const tensors: StateDict = new Map(
        (['exp_avg', 'exp_avg_sq'] as const).flatMap((slot) =>
          parameterEntries(graph).map(({ name: tensor, shape }, index) => [
            `${slot}.${tensor}`,
            { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => index + i / 7) },
          ]),
        ),
      )
      await session.writeOptimizerState({ step: 12, tensors })
      const read = await session.readOptimizerState()
      expect(read.step).toBe(12)
      expectSame(read.tensors, tensors)
    })

    test('what was handed over or read may change afterwards', async () => {
      const graph = everyLayer()
      const session = await opened({ graph })
      const state = generateState(graph, 3)
      await session.writeState(state)
      for (const { data } of state.values()) data.fill(7)
      for (const { data } of (await session.readState()).values()) data.fill(8)
      expectSame(await session.readState(), generateState(graph, 3))
    })

    const faults: [string, (dict: StateDict, first: string) => void][] = [
      ['a missing tensor', (dict, first) => dict.delete(first)],
      ['an unexpected tensor', (dict) => dict.set('module.fc.bias', { shape: [1], data: Float32Array.of(1) })],
      ['a wrong shape', (dict, first) => dict.set(first, { ...tensorOf(dict, first), shape: [1, 2, 3] })],
      [
        'transposed axes',
        (dict, first) => dict.set(first, { ...tensorOf(dict, first), shape: tensorOf(dict, first).shape.toReversed() }),
      ],
      ['too few values', (dict, first) => dict.set(first, { ...tensorOf(dict, first), data: Float32Array.of(1) })],
    ]
    test.each(faults)('%s is refused and changes nothing', async (_, spoil) => {
      const graph = narrowResNet()
      const session = await opened({ graph, globalBatch: 4 })
      await session.step(batchOf(graph, 4), 0.1)
      const state = await session.readState()
      const optimizerState = await session.readOptimizerState()

      const spoilt = generateState(graph, 9)
      spoil(spoilt, 'stem.conv.weight')
      await expect(session.writeState(spoilt)).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
      expectSame(await session.readState(), state)

      const spoiltOptimizer: OptimizerState = { step: 9, tensors: new Map(optimizerState.tensors) }
      spoil(spoiltOptimizer.tensors, 'momentum_buffer.stem.conv.weight')
      await expect(session.writeOptimizerState(spoiltOptimizer)).rejects.toMatchObject({ code: 'CHECKPOINT_INVALID' })
      const after = await session.readOptimizerState()
      expect(after.step).toBe(1)
      expectSame(after.tensors, optimizerState.tensors)
    })

    test('the state of another optimiser is refused', async () => {
      const graph = everyLayer()
      const trained = await opened({ graph, optimizer: adam })
      const session = await opened({ graph, optimizer: sgd })
      await expect(session.writeOptimizerState(await trained.readOptimizerState())).rejects.toMatchObject({
        code: 'CHECKPOINT_INVALID',
      })
    })
  })

  describe('refusals', () => {
    const plans: [string, { globalBatch: number; shards: number; devices: number }][] = [
      ['3 shards', { globalBatch: 12, shards: 3, devices: 1 }],
      ['no shards', { globalBatch: 8, shards: 0, devices: 1 }],
      ['a batch the shards do not divide', { globalBatch: 10, shards: 4, devices: 1 }],
      ['3 devices', { globalBatch: 16, shards: 4, devices: 3 }],
      ['more devices than shards', { globalBatch: 16, shards: 2, devices: 4 }],
      ['no device', { globalBatch: 8, shards: 1, devices: 0 }],
      ['one value per channel in a shard', { globalBatch: 4, shards: 4, devices: 1 }],
    ]
    test.each(plans)('%s', async (_, { globalBatch, shards, devices }) => {
      const spec = { graph: narrowResNet(), globalBatch, shards, devices: cpuDevices(devices), optimizer: sgd }
      await expect(harness.open(spec)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    })

    test('a shard of one image is fine where maps have more than one pixel', async () => {
      const session = await opened({ graph: everyLayer(), globalBatch: 4, shards: 4 })
      const expected = referenceOf({ graph: everyLayer(), shards: 4 })
      const batch = batchOf(everyLayer(), 4)
      const { loss } = await session.gradients(batch)
      expect(Math.abs(loss - expected.gradients(batch).loss)).toBeLessThanOrEqual(tolerances.loss)
    })

    test('wrong batches, and nothing changes', async () => {
      const graph = everyLayer()
      const session = await opened({ graph })
      const before = await session.readState()
      const batch = batchOf(graph)
      const invalid = { code: 'INVALID_INPUT' }
      await expect(session.step(batchOf(graph, 7), 0.1)).rejects.toMatchObject(invalid)
      await expect(session.step({ ...batch, images: batch.images.subarray(1) }, 0.1)).rejects.toMatchObject(invalid)
      await expect(session.gradients(batchOf(graph, 9))).rejects.toMatchObject(invalid)
      for (const label of [-1, graph.classes]) {
        const labels = Int32Array.from(batch.labels)
        labels[3] = label
        await expect(session.step({ ...batch, labels }, 0.1)).rejects.toMatchObject(invalid)
        await expect(session.evaluate({ ...batch, labels })).rejects.toMatchObject(invalid)
      }
      await expect(session.evaluate(batchOf(graph, 9))).rejects.toMatchObject(invalid)
      await expect(session.evaluate(batchOf(graph, 0))).rejects.toMatchObject(invalid)
      await expect(session.predict(new Float32Array(0))).rejects.toMatchObject(invalid)
      await expect(session.predict(batch.images.subarray(1))).rejects.toMatchObject(invalid)
      expectSame(await session.readState(), before)
      expect((await session.readOptimizerState()).step).toBe(0)
    })
  })

  describe('progress of the replicas, seen while they work', () => {
    /** What differs between two looks. */
    const moves = (before: ReplicaState[], after: ReplicaState[]): { steps: number; ticked: boolean }[] =>
      after.map(({ steps, ticks }, replica) => ({
        steps: steps - (before[replica]?.steps ?? 0),
        ticked: ticks > (before[replica]?.ticks ?? 0n),
      }))
    const recipes: [string, Partial<SessionSpec>][] = [
      ['plain', {}],
      ['with batch norm over the global batch', { syncBatchNorm: true }],
      ['with a clipped norm', { clipNorm: 0.1 }],
    ]
    test.each(recipes)('%s', async (_, recipe) => {
      const graph = narrowResNet()
      const progress = createReplicaRows(2)
      const session = await opened({ graph, shards: 4, devices: 2, progress, ...recipe })
      const look = (): ReplicaState[] => readReplicas(progress)
      const opening = look()
      expect(opening.map(({ steps, resting }) => ({ steps, resting }))).toEqual(
        Array(2).fill({ steps: 0, resting: true }),
      )

      await session.step(batchOf(graph), 0.1)
      await session.step(batchOf(graph), 0.1)
      const stepped = look()
      const first = recipe.syncBatchNorm === true ? stepped.slice(0, 1) : stepped
      expect(moves(opening, first)).toEqual(first.map(() => ({ steps: 2, ticked: true })))

      await session.evaluate(batchOf(graph))
      const evaluated = look()
      expect(moves(stepped, evaluated.slice(0, 1))).toEqual([{ steps: 0, ticked: true }])
      await session.gradients(batchOf(graph))
      await session.readState()
      expect(moves(evaluated, look().slice(0, 1))).toEqual([{ steps: 0, ticked: true }])
      expect(look().every(({ resting }) => resting)).toBe(true)
    })

    test('and changes no bit', async () => {
      const graph = narrowResNet()
      const [watched, alone] = [
        await opened({ graph, shards: 4, devices: 2, progress: createReplicaRows(2) }),
        await opened({ graph, shards: 4, devices: 2 }),
      ]
      const losses = [await watched.step(batchOf(graph), 0.1), await alone.step(batchOf(graph), 0.1)]
      expect(losses[0]).toEqual(losses[1])
      expectSame(await watched.readState(), await alone.readState())
    })
  })

  test('sessions side by side do not touch each other', async () => {
    const graph = everyLayer()
    const alone = await opened({ graph })
    const { loss: first } = await alone.step(batchOf(graph), 0.05)
    const { loss: second } = await alone.step(batchOf(graph), 0.05)

    const [a, b] = await Promise.all([opened({ graph }), opened({ graph, seed: 2 })])
    const [fromA] = await Promise.all([a.step(batchOf(graph), 0.05), b.step(batchOf(graph), 0.05)])
    await b.close()
    expect(fromA.loss).toBe(first)
    expect((await a.step(batchOf(graph), 0.05)).loss).toBe(second)
    expectSame(await a.readState(), await alone.readState())
  })

  test('close rejects later calls and may be called twice', async () => {
    const graph = everyLayer()
    const session = await opened({ graph })
    const batch = batchOf(graph)
    await session.close()
    await session.close()
    await expect(session.step(batch, 0.1)).rejects.toThrow()
    await expect(session.gradients(batch)).rejects.toThrow()
    await expect(session.evaluate(batch)).rejects.toThrow()
    await expect(session.predict(batch.images)).rejects.toThrow()
    await expect(session.readState()).rejects.toThrow()
    await expect(session.writeState(generateState(graph, 1))).rejects.toThrow()
    await expect(session.readOptimizerState()).rejects.toThrow()
    await expect(session.writeOptimizerState({ step: 0, tensors: new Map() })).rejects.toThrow()
  })

  test('close during a step lets it end', async () => {
    const graph = narrowResNet()
    const session = await opened({ graph, shards: 4 })
    const other = await opened({ graph, shards: 4 })
    const stepping = session.step(batchOf(graph), 0.1)
    const closing = session.close()
    expect((await stepping).loss).toBe((await other.step(batchOf(graph), 0.1)).loss)
    await closing
  })
}
