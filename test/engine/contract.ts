// The contract every engine keeps, against the float64 reference: an engine runs it in a few lines.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AssignedDevice, OptimizerSpec } from '../../src/shared/run-spec.ts'
import type { Batch, Engine, OptimizerState, Session, StateDict } from '../../src/trainer/engine.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { parameterEntries, stateEntries } from '../../src/trainer/models/parameters.ts'
import { relativeDistance } from './distance.ts'
import { generateBatch, generateState } from './generate.ts'
import { bareMaxPool, everyLayer, narrowBottlenecks, narrowResNet } from './nets.ts'
import { createReference, type Values } from './reference.ts'

export interface Tolerances {
  /** Of a loss, absolute. */
  loss: number
  /** Of a tensor after the first forward and backward, relative to its norm. */
  firstStep: number
  /** Of a tensor after a few updates, relative to its norm. */
  fewSteps: number
}

const sgd: OptimizerSpec = { kind: 'SGD', momentum: 0.9, weightDecay: 5e-4 }
const plainSgd: OptimizerSpec = { kind: 'SGD', momentum: 0, weightDecay: 0 }
const adam: OptimizerSpec = { kind: 'ADAM', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-2 }

/** Partitions that share the first core: what counts here is the answer, not the speed. */
export function cpuDevices(count: number): AssignedDevice[] {
  return Array.from({ length: count }, (_, index) => ({ kind: 'CPU', name: `cpu:${index}`, cores: [0] }))
}

export function describeEngine(
  name: string,
  open: () => Promise<Engine>,
  { tolerances }: { tolerances: Tolerances },
): void {
  describe(`engine ${name}`, () => {
    let engine: Engine
    const sessions: Session[] = []
    beforeAll(async () => {
      engine = await open()
    })
    afterAll(() => Promise.all(sessions.map((session) => session.close())))

    interface Opening {
      graph: ModelGraph
      globalBatch?: number
      shards?: number
      devices?: number
      optimizer?: OptimizerSpec
      seed?: number
    }

    /** Opens a session and gives it generated weights. */
    async function opened(opening: Opening): Promise<Session> {
      const { graph, globalBatch = 8, shards = 1, devices = 1, optimizer = sgd, seed = 1 } = opening
      const session = await engine.open({ graph, globalBatch, shards, devices: cpuDevices(devices), optimizer })
      sessions.push(session)
      await session.writeState(generateState(graph, seed))
      return session
    }

    function reference({ graph, shards = 1, optimizer = sgd, seed = 1 }: Opening) {
      return createReference({ graph, shards, optimizer }, generateState(graph, seed))
    }

    function batchOf(graph: ModelGraph, count = 8, step = 0): Batch {
      return generateBatch(graph, count, { seed: 1, step })
    }

    function expectClose(actual: StateDict, expected: Values, tolerance: number): void {
      expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort())
      for (const [tensor, values] of expected) {
        const distance = relativeDistance(actual.get(tensor)?.data ?? [], values)
        expect(distance, `relative distance of ${tensor}`).toBeLessThanOrEqual(tolerance)
      }
    }

    function expectSame(actual: StateDict, expected: StateDict): void {
      expect([...actual.keys()]).toEqual([...expected.keys()])
      for (const [tensor, { shape, data }] of expected) {
        expect(actual.get(tensor)?.shape, tensor).toEqual(shape)
        // Bit for bit: Buffer.equals tells -0 from 0 and knows NaN.
        expect(bytes(actual.get(tensor)?.data).equals(bytes(data)), `bits of ${tensor}`).toBe(true)
      }
    }

    test('names itself', () => {
      expect(engine.name).toMatch(/^(native|tfjs)$/)
      expect(engine.detail).not.toBe('')
    })

    test('opens with zeros under torchvision names, in order', async () => {
      const graph = narrowResNet()
      const session = await engine.open({ graph, globalBatch: 4, shards: 2, devices: cpuDevices(1), optimizer: sgd })
      sessions.push(session)
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

    describe('loss and every gradient', () => {
      const nets = [everyLayer, bareMaxPool, narrowResNet, narrowBottlenecks]
      for (const net of nets) {
        test.each([1, 2, 4])(`${net().architecture}, %i shards`, async (shards) => {
          const graph = net()
          // 16 images: at 4 shards a 1x1 map still gives batch norm 4 values, fewer make it ill-conditioned.
          const session = await opened({ graph, globalBatch: 16, shards })
          const before = await session.readState()
          const batch = batchOf(graph, 16)
          const { loss, gradients } = await session.gradients(batch)
          const expected = reference({ graph, shards }).gradients(batch)
          expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(tolerances.loss)
          expectClose(gradients, expected.gradients, tolerances.firstStep)
          for (const { name: tensor, shape } of parameterEntries(graph))
            expect(gradients.get(tensor)?.shape, tensor).toEqual(shape)
          expectSame(await session.readState(), before)
        })
      }

      test('equal maxima of a pool: the first takes the gradient, and padding is never largest', async () => {
        const graph = bareMaxPool()
        const session = await opened({ graph })
        // Whole numbers, negative most of the time, so that sums are exact and windows have many equal maxima.
        const state = generateState(graph, 1)
        const weight = state.get('conv.weight')
        weight?.data.forEach((value, i) => (weight.data[i] = value < 0 ? -1 : 0))
        const batch = batchOf(graph)
        batch.images.forEach((value, i) => (batch.images[i] = Math.round(Math.abs(value))))
        await session.writeState(state)
        const { loss, gradients } = await session.gradients(batch)
        const expected = createReference({ graph, shards: 1, optimizer: sgd }, state).gradients(batch)
        expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(tolerances.loss)
        expectClose(gradients, expected.gradients, tolerances.firstStep)
      })
    })

    describe('updates', () => {
      const optimizers: [string, OptimizerSpec][] = [
        ['SGD with momentum and weight decay', sgd],
        ['plain SGD', plainSgd],
        ['Adam with weight decay', adam],
      ]
      test.each(optimizers)('%s: losses, weights, running statistics, optimiser state', async (_, optimizer) => {
        const graph = everyLayer()
        const session = await opened({ graph, shards: 2, optimizer })
        const expected = reference({ graph, shards: 2, optimizer })
        for (let step = 0; step < 4; step += 1) {
          const learningRate = optimizer.kind === 'SGD' ? 0.05 / (step + 1) : 0.003 / (step + 1)
          const batch = batchOf(graph, 8, step)
          const { loss } = await session.step(batch, learningRate)
          const expectedLoss = expected.step(batch, learningRate)
          expect(Math.abs(loss - expectedLoss), `loss of step ${step}`).toBeLessThanOrEqual(10 * tolerances.loss)
        }
        expectClose(await session.readState(), expected.state, tolerances.fewSteps)
        const { step, tensors } = await session.readOptimizerState()
        expect(step).toBe(4)
        expectClose(tensors, expected.slots, tolerances.fewSteps)
      })

      test('running statistics: unbiased, averaged over shards, one update a step', async () => {
        const graph = narrowResNet()
        const session = await opened({ graph, shards: 4 })
        const expected = reference({ graph, shards: 4 })
        for (let step = 0; step < 2; step += 1) {
          const batch = batchOf(graph, 8, step)
          await session.step(batch, 1e-6)
          expected.step(batch, 1e-6)
        }
        const state = await session.readState()
        expectClose(state, expected.state, tolerances.firstStep)
        expect(state.get('stem.bn.num_batches_tracked')).toEqual({ shape: [], data: Float32Array.of(2) })
      })
    })

    describe('one answer', () => {
      /** State, optimiser state and losses after a few steps. */
      async function train(devices: number, optimizer: OptimizerSpec) {
        const graph = narrowResNet()
        const session = await opened({ graph, globalBatch: 16, shards: 4, devices, optimizer })
        const losses: number[] = []
        for (let step = 0; step < 4; step += 1) losses.push((await session.step(batchOf(graph, 16, step), 0.01)).loss)
        return { losses, state: await session.readState(), optimizerState: await session.readOptimizerState() }
      }

      test.each([sgd, adam])('$kind: bit-equal on 1, 2 and 4 devices and in a rerun', async (optimizer) => {
        const expected = await train(1, optimizer)
        for (const devices of [1, 2, 4]) {
          const actual = await train(devices, optimizer)
          expect(actual.losses, `${devices} devices`).toEqual(expected.losses)
          expectSame(actual.state, expected.state)
          expectSame(actual.optimizerState.tensors, expected.optimizerState.tensors)
        }
      })

      test.each([sgd, adam])('$kind: state written to another session goes on bit-equal', async (optimizer) => {
        const graph = everyLayer()
        const whole = await opened({ graph, shards: 2, optimizer })
        const begun = await opened({ graph, shards: 2, optimizer })
        for (const session of [whole, begun])
          for (const step of [0, 1]) await session.step(batchOf(graph, 8, step), 0.01)

        const resumed = await opened({ graph, shards: 2, devices: 2, optimizer, seed: 2 })
        await resumed.step(batchOf(graph, 8, 7), 0.01)
        await resumed.writeState(await begun.readState())
        await resumed.writeOptimizerState(await begun.readOptimizerState())
        for (const session of [whole, resumed])
          for (const step of [2, 3]) await session.step(batchOf(graph, 8, step), 0.01)
        expectSame(await resumed.readState(), await whole.readState())
        const expected = await whole.readOptimizerState()
        const actual = await resumed.readOptimizerState()
        expect(actual.step).toBe(4)
        expectSame(actual.tensors, expected.tensors)
      })
    })

    describe('evaluation', () => {
      test.each([1, 5, 7, 8])('%i images of a global batch of 8', async (count) => {
        const graph = narrowResNet()
        const session = await opened({ graph, shards: 4, devices: 2 })
        const before = await session.readState()
        const batch = batchOf(graph, count)
        const expected = reference({ graph, shards: 4 })
        const result = await session.evaluate(batch)
        const { images, lossSum, correct } = expected.evaluate(batch)
        expect(result).toMatchObject({ images, correct })
        expect(Math.abs(result.lossSum - lossSum)).toBeLessThanOrEqual(tolerances.loss * count * 10)

        const logits = await session.predict(batch.images)
        expect(logits).toHaveLength(count * graph.classes)
        expect(relativeDistance(logits, expected.predict(batch.images))).toBeLessThanOrEqual(tolerances.firstStep)
        expectSame(await session.readState(), before)
      })

      test('an image has the same logits in every batch size, up to rounding', async () => {
        const graph = everyLayer()
        const session = await opened({ graph, shards: 2 })
        const { images } = batchOf(graph)
        const pixels = images.length / 8
        const whole = await session.predict(images)
        for (let image = 0; image < 8; image += 1) {
          const alone = await session.predict(images.subarray(image * pixels, (image + 1) * pixels))
          const together = whole.subarray(image * graph.classes, (image + 1) * graph.classes)
          expect(relativeDistance(alone, together)).toBeLessThanOrEqual(tolerances.firstStep)
        }
      })

      test('counts the images whose largest logit is their label', async () => {
        const graph = bareMaxPool()
        const session = await opened({ graph })
        const state = generateState(graph, 1)
        state.get('fc.weight')?.data.fill(0)
        state.get('fc.bias')?.data.set([0, 3, 1])
        await session.writeState(state)
        const batch = { ...batchOf(graph), labels: Int32Array.of(1, 0, 1, 1, 2, 2, 0, 1) }
        expect((await session.evaluate(batch)).correct).toBe(4)
      })
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
        ['a wrong shape', (dict, first) => dict.set(first, { ...get(dict, first), shape: [1, 2, 3] })],
        [
          'transposed axes',
          (dict, first) => dict.set(first, { ...get(dict, first), shape: get(dict, first).shape.toReversed() }),
        ],
        ['too few values', (dict, first) => dict.set(first, { ...get(dict, first), data: Float32Array.of(1) })],
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
        await expect(engine.open(spec)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
      })

      test('a shard of one image is fine where maps have more than one pixel', async () => {
        const session = await opened({ graph: everyLayer(), globalBatch: 4, shards: 4 })
        const expected = reference({ graph: everyLayer(), shards: 4 })
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

    test.each(['stem.conv.weight', 'layer3.0.conv2.weight', 'fc.weight'])(
      'NaN in %s shows in the loss; nothing throws',
      async (tensor) => {
        const graph = narrowResNet()
        const session = await opened({ graph })
        const state = generateState(graph, 1)
        get(state, tensor).data.fill(NaN)
        await session.writeState(state)
        const batch = batchOf(graph)
        expect((await session.step(batch, 0.1)).loss).not.toSatisfy(Number.isFinite)
        expect((await session.step(batch, 0.1)).loss).not.toSatisfy(Number.isFinite)
      },
    )

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
  })
}

function get(dict: StateDict, name: string) {
  const tensor = dict.get(name)
  if (tensor === undefined) throw new RangeError(`no tensor ${name}`)
  return tensor
}

function bytes(data: Float32Array | undefined): Buffer {
  return data === undefined ? Buffer.alloc(0) : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}
