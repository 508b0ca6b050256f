// Batch norm over the global batch (syncBatchNorm): its shards give what the whole batch in one piece would.
import { describe, expect, test } from 'vitest'
import type { OptimizerSpec } from '../../src/shared/run-spec.ts'
import type { Batch } from '../../src/trainer/engine.ts'
import { relativeDistance } from './distance.ts'
import {
  adam,
  batchOf,
  cpuDevices,
  expectClose,
  expectSame,
  referenceOf,
  sgd,
  tensorOf,
  type Harness,
} from './harness.ts'
import { everyLayer, narrowBottlenecks, narrowResNet } from './nets.ts'
import { trainedBits } from './training.ts'

export function describeGlobalBatchNorm(harness: Harness): void {
  const { tolerances, opened } = harness
  const syncBatchNorm = true

  describe('batch norm over the global batch', () => {
    for (const net of [everyLayer, narrowResNet, narrowBottlenecks]) {
      test.each([1, 2, 4])(`loss and every gradient of ${net().architecture}, %i shards`, async (shards) => {
        const graph = net()
        const session = await opened({ graph, globalBatch: 16, shards, syncBatchNorm })
        const before = await session.readState()
        const batch = batchOf(graph, 16)
        const { loss, gradients } = await session.gradients(batch)
        const expected = referenceOf({ graph, shards, syncBatchNorm }).gradients(batch)
        expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(tolerances.loss)
        expectClose(gradients, expected.gradients, tolerances.firstStep)
        expectSame(await session.readState(), before)
      })
    }

    const updates: [OptimizerSpec, number][] = [sgd, adam].flatMap((optimizer) =>
      [1, 2, 4].map((shards): [OptimizerSpec, number] => [optimizer, shards]),
    )
    test.each(updates)('$kind, %i shards: losses, weights, running statistics', async (optimizer, shards) => {
      const graph = everyLayer()
      const opening = { graph, shards, devices: shards, optimizer, syncBatchNorm }
      const session = await opened(opening)
      const expected = referenceOf(opening)
      for (let step = 0; step < 4; step += 1) {
        const batch = batchOf(graph, 8, step)
        const { loss } = await session.step(batch, 0.003)
        expect(Math.abs(loss - expected.step(batch, 0.003))).toBeLessThanOrEqual(10 * tolerances.loss)
      }
      expectClose(await session.readState(), expected.state, tolerances.fewSteps)
      expectClose((await session.readOptimizerState()).tensors, expected.slots, tolerances.fewSteps)
    })

    test.each([sgd, adam])('$kind: one shard is plain batch norm, bit for bit', async (optimizer) => {
      const opening = { graph: narrowResNet(), globalBatch: 16, optimizer }
      const plain = await trainedBits(await opened(opening), opening)
      const over = await trainedBits(await opened({ ...opening, syncBatchNorm }), opening)
      expect(over.losses).toEqual(plain.losses)
      expectSame(over.state, plain.state)
      expectSame(over.slots, plain.slots)
    })

    test('several shards are not: their own statistics would differ', async () => {
      const graph = narrowResNet()
      const opening = { graph, globalBatch: 16, shards: 4 }
      const [plain, over] = [await opened(opening), await opened({ ...opening, syncBatchNorm })]
      for (const session of [plain, over]) await session.step(batchOf(graph, 16), 1e-6)
      const name = 'layer4.0.bn2.running_var'
      const [ofShards, ofAll] = [tensorOf(await plain.readState(), name), tensorOf(await over.readState(), name)]
      expect(relativeDistance(ofShards.data, ofAll.data)).toBeGreaterThan(10 * tolerances.firstStep)
    })

    const offsets: [string, (image: number) => number][] = [
      ['far from zero', () => 300],
      ['far from each other', (image) => 100 * Math.floor(image / 4)],
    ]
    test.each(offsets)('shards whose means lie %s lose no variance', async (_, offsetOf) => {
      const graph = everyLayer()
      const opening = { graph, globalBatch: 16, shards: 4, devices: 2, syncBatchNorm }
      const session = await opened(opening)
      const expected = referenceOf(opening)
      const batch = shifted(batchOf(graph, 16), offsetOf)
      await session.step(batch, 1e-6)
      expected.step(batch, 1e-6)
      for (const name of ['stem.bn.running_mean', 'stem.bn.running_var']) {
        const actual = tensorOf(await session.readState(), name).data
        // Squares of the values less the square of their mean would be off by a hundredth.
        expect(relativeDistance(actual, expected.state.get(name) ?? []), name).toBeLessThanOrEqual(2e-4)
      }
    })

    test('a shard may have one value per channel, the global batch may not', async () => {
      const graph = narrowResNet()
      const opening = { graph, globalBatch: 4, shards: 4, syncBatchNorm }
      const session = await opened({ ...opening, devices: 2 })
      const batch = batchOf(graph, 4)
      const { loss } = await session.gradients(batch)
      expect(Math.abs(loss - referenceOf(opening).gradients(batch).loss)).toBeLessThanOrEqual(10 * tolerances.loss)

      const spec = { graph, optimizer: sgd, devices: cpuDevices(1) }
      await expect(harness.open({ ...spec, globalBatch: 1, shards: 1, syncBatchNorm })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: 'globalBatch',
        message: expect.stringContaining('a global batch of 1 image with a 1x1 map has 1') as string,
      })
      await expect(harness.open({ ...spec, globalBatch: 4, shards: 4 })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        field: 'shards',
        fix: expect.stringContaining('syncBatchNorm') as string,
      })
    })
  })
}

function shifted({ images, labels }: Batch, offsetOf: (image: number) => number): Batch {
  const size = images.length / labels.length
  return { images: images.map((value, index) => value + offsetOf(Math.floor(index / size))), labels }
}
