// Calls that are made before the last has ended: carried out in order, each to the bits of a call alone; a failure ends those behind.
import { afterAll, describe, expect, test, vi } from 'vitest'
import type { Session } from '../../src/trainer/engine.ts'
import { openEngine } from '../../src/trainer/engines/open.ts'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { batchOf, cpuDevices, createHarness, expectSame, type Opening } from './harness.ts'
import { narrowResNet } from './nets.ts'

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`calls in a queue (${probe.detail})`, () => {
  // Nothing is compared with the reference here.
  const harness = createHarness(() => openEngine('NATIVE', cpuDevices(2)), { loss: 0, firstStep: 0, fewSteps: 0 })
  afterAll(() => harness.closeAll())
  const graph = narrowResNet()
  const opened = (change: Partial<Opening> = {}): Promise<Session> =>
    harness.opened({ graph, shards: 4, devices: 2, ...change })

  test('resolve, whatever they are', async () => {
    const session = await opened()
    expect(session.queues).toBe(true)
    const resolved = new Set<string>()
    const call = async (name: string, made: Promise<unknown>): Promise<void> => {
      await made
      resolved.add(name)
    }
    await Promise.all([
      call('step', session.step(batchOf(graph), 0.1)),
      call('evaluate', session.evaluate(batchOf(graph, 3))),
      call('read', session.readState()),
      call('predict', session.predict(batchOf(graph, 1).images)),
      call('gradients', session.gradients(batchOf(graph))),
      call('read the optimiser', session.readOptimizerState()),
      call('another step', session.step(batchOf(graph), 0.1)),
    ])
    const all = ['step', 'evaluate', 'read', 'predict', 'gradients', 'read the optimiser', 'another step']
    expect(resolved).toEqual(new Set(all))
  })

  test.each<[string, Partial<Opening>]>([
    ['plain', {}],
    ['with batch norm over the global batch', { syncBatchNorm: true }],
    ['with a clipped norm', { clipNorm: 0.1 }],
  ])('%s: losses, metrics and state are those of calls one after the other', async (_, recipe) => {
    const [queued, alone] = [await opened(recipe), await opened(recipe)]
    const batches = Array.from({ length: 5 }, (_, step) => batchOf(graph, 8, step))
    const losses = batches.map((batch) => queued.step(batch, 0.1))
    const [evaluation, between] = [queued.evaluate(batchOf(graph)), queued.readState()]
    const last = queued.step(batchOf(graph), 0.1)

    for (const [index, batch] of batches.entries()) expect(await alone.step(batch, 0.1)).toEqual(await losses[index])
    expect(await evaluation).toEqual(await alone.evaluate(batchOf(graph)))
    expectSame(await between, await alone.readState())
    expect(await last).toEqual(await alone.step(batchOf(graph), 0.1))
    expectSame(await queued.readState(), await alone.readState())
    expectSame((await queued.readOptimizerState()).tensors, (await alone.readOptimizerState()).tensors)
  })

  test('a batch that is refused takes no place', async () => {
    const [queued, alone] = [await opened(), await opened()]
    const first = queued.step(batchOf(graph), 0.1)
    const refused = queued.step(batchOf(graph, 7), 0.1)
    const second = queued.step(batchOf(graph), 0.1)
    await expect(refused).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await first).toEqual(await alone.step(batchOf(graph), 0.1))
    expect(await second).toEqual(await alone.step(batchOf(graph), 0.1))
  })

  test('where one fails in a replica, those behind it fail by its name, and those before it have ended', async () => {
    vi.stubEnv('TRAINQL_FAULT_REPLICA', '1.3')
    const session = await opened()
    const results = await Promise.allSettled([
      ...Array.from({ length: 4 }, () => session.step(batchOf(graph), 0.1)),
      session.evaluate(batchOf(graph)),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      ...['fulfilled', 'fulfilled'],
      ...['rejected', 'rejected', 'rejected'],
    ])
    for (const result of results.slice(2)) {
      expect(result).toMatchObject({
        reason: {
          code: 'ENGINE_FAILED',
          message: 'Replica 1 on cpu:1 (native) failed: a failure was requested.',
        },
      })
    }
  })

  test('close lets those end that were made before it, and refuses later ones', async () => {
    const [closed, alone] = [await opened(), await opened()]
    const steps = [0, 1, 2].map((step) => closed.step(batchOf(graph, 8, step), 0.1))
    const state = closed.readState()
    await closed.close()
    await expect(closed.step(batchOf(graph), 0.1)).rejects.toMatchObject({ code: 'CONFLICT' })
    for (const [step, made] of steps.entries())
      expect(await made).toEqual(await alone.step(batchOf(graph, 8, step), 0.1))
    expectSame(await state, await alone.readState())
  })
})
