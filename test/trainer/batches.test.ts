// Batches: exact values, each image once, the same from any position and however they are prepared, typed refusals.
import { describe, expect, test, vi } from 'vitest'
import { normalisationOf, type Dataset } from '../../src/trainer/datasets/dataset.ts'
import { drawShapes, openShapes } from '../../src/trainer/datasets/shapes.ts'
import type { Batch } from '../../src/trainer/engine.ts'
import type { BatchOptions } from '../../src/trainer/input/batch-plan.ts'
import { createBatches, type Batches } from '../../src/trainer/input/batches.ts'
import { openFiller, type BatchFiller } from '../../src/trainer/input/filler.ts'
import { createPlainFiller } from '../../src/trainer/input/plain-filler.ts'
import { datasetOf } from './fixtures/datasets.ts'

const shape = { channels: 2, height: 1, width: 2 }

/** Image i has the first channel 10 i, the second 10 i + 1 throughout, and the label i mod 3. */
function smallDataset(trainImages: number, validationImages: number): Dataset {
  const image = (index: number) => [0, 0, 1, 1].map((second) => 10 * index + second)
  const images = (count: number) => Array.from({ length: count }, (_, index) => image(index))
  return datasetOf({ shape, classes: 3, train: images(trainImages), validation: images(validationImages) })
}

const options: BatchOptions = {
  seed: 0,
  globalBatch: 4,
  trainImages: null,
  validationImages: null,
  epochs: 3,
  augmentation: null,
}

/** Which images a batch holds, by undoing the normalisation of the first channel. */
function imagesOf({ images, labels }: Batch, { normalisation }: Dataset): number[] {
  const [mean = 0] = normalisation.mean
  const [deviation = 1] = normalisation.deviation
  return [...labels].map((_, row) =>
    Math.abs(Math.round((((images[row * 4] as number) * deviation + mean) * 255) / 10)),
  )
}

async function orderOf(batches: Batches, epoch: number, dataset: Dataset): Promise<number[]> {
  const order: number[] = []
  for (let step = 0; step < batches.stepsPerEpoch; step += 1) {
    order.push(...imagesOf(await batches.training(epoch, step), dataset))
  }
  return order
}

/** A batch's memory is used again, so what is kept of it is a copy. */
async function copyOf(batch: Promise<Batch>): Promise<Batch> {
  const { images, labels } = await batch
  return { images: images.slice(), labels: labels.slice() }
}

describe.each([
  { name: 'prepared ahead', open: openFiller },
  { name: 'filled when asked', open: createPlainFiller },
])('training batches, $name', ({ open }) => {
  const dataset = smallDataset(10, 5)
  const batchesOf = (change: Partial<BatchOptions> = {}, from = dataset): Batches =>
    createBatches(from, { ...options, ...change }, open)

  test('hold normalised values, channel by channel, and the labels beside them', async () => {
    const identity = { ...dataset, normalisation: { mean: [0, 0.5], deviation: [1 / 255, 0.5] } }
    const batches = batchesOf({}, identity)
    const batch = await batches.training(1, 0)
    expect(batch.images).toHaveLength(16)
    for (let row = 0; row < 4; row += 1) {
      const [first = NaN, again, second, third] = batch.images.subarray(row * 4, row * 4 + 4)
      expect(again).toBe(first)
      expect(second).toBe(Math.fround(((first + 1) / 255 - 0.5) / 0.5))
      expect(third).toBe(second)
      expect(batch.labels[row]).toBe((first / 10) % 3)
    }
    batches.close()
  })

  test('hold images that are made when they are first asked for', async () => {
    const [whole, opened] = [batchesOf({}, drawShapes()), batchesOf({}, openShapes())]
    for (const step of [0, 2_999, 0]) {
      expect(await copyOf(opened.training(1, step))).toEqual(await copyOf(whole.training(1, step)))
    }
    const [expected, found] = [whole.validation(), opened.validation()]
    expect((await found.next()).value).toEqual((await expected.next()).value)
    for (const batches of [whole, opened]) batches.close()
  })

  test('take each image at most once an epoch and drop the incomplete batch', async () => {
    const batches = batchesOf()
    expect(batches.stepsPerEpoch).toBe(2)
    const taken = await orderOf(batches, 1, dataset)
    expect(taken).toHaveLength(8)
    expect(new Set(taken).size).toBe(8)
    for (const image of taken) expect(image).toBeLessThan(10)
    batches.close()
  })

  test('are another order each epoch and each seed', async () => {
    const batches = batchesOf()
    const other = batchesOf({ seed: 1 })
    const first = await orderOf(batches, 1, dataset)
    expect(await orderOf(batches, 2, dataset)).not.toEqual(first)
    expect(await orderOf(other, 1, dataset)).not.toEqual(first)
    batches.close()
    other.close()
  })

  test('are the same wherever training begins', async () => {
    const straight = batchesOf()
    for (const epoch of [1, 2]) {
      for (const step of [0, 1]) {
        const batch = await copyOf(straight.training(epoch, step))
        const resumed = batchesOf()
        expect(await copyOf(resumed.training(epoch, step))).toEqual(batch)
        resumed.close()
      }
    }
    straight.close()
  })

  test('of a smaller set are drawn from a seeded choice of images, the same in every epoch', async () => {
    const batches = batchesOf({ trainImages: 4 })
    expect(batches.trainImages).toBe(4)
    expect(batches.stepsPerEpoch).toBe(1)
    const chosen = imagesOf(await batches.training(1, 0), dataset)
    const later = imagesOf(await batches.training(2, 0), dataset)
    expect(new Set(later)).toEqual(new Set(chosen))
    expect(new Set(chosen).size).toBe(4)
    const otherSeed = batchesOf({ seed: 7, trainImages: 4 })
    expect(new Set(imagesOf(await otherSeed.training(1, 0), dataset))).not.toEqual(new Set(chosen))
    batches.close()
    otherSeed.close()
  })

  test('of validation hold every image once, in order, the rest in a smaller last batch', async () => {
    const batches = batchesOf()
    const sizes: number[] = []
    const images: number[] = []
    const labels: number[] = []
    for await (const batch of batches.validation()) {
      sizes.push(batch.labels.length)
      images.push(...imagesOf(batch, dataset))
      labels.push(...batch.labels)
      expect(batch.images).toHaveLength(batch.labels.length * 4)
    }
    expect(sizes).toEqual([4, 1])
    expect(images).toEqual([0, 1, 2, 3, 4])
    expect(labels).toEqual([0, 1, 2, 0, 1])
    batches.close()
  })
})

describe('what is prepared ahead', () => {
  const dataset = smallDataset(10, 5)

  /** A filler that notes what it is asked for. */
  function watched(): { asked: string[]; open: () => BatchFiller } {
    const asked: string[] = []
    const plain = createPlainFiller(dataset, options)
    const filler: BatchFiller = {
      concurrent: true,
      fill(request) {
        asked.push(`${request.split} ${request.augmentedFor ?? '-'} of ${request.indices.length}`)
        return plain.fill(request)
      },
      close: () => plain.close(),
    }
    return { asked, open: () => filler }
  }

  test('follows the run: the steps of an epoch, its validation, the next epoch, and nothing behind the end', async () => {
    const { asked, open } = watched()
    const batches = createBatches(dataset, { ...options, epochs: 2 }, open)
    await batches.training(1, 0)
    expect(asked).toEqual(['train 1 of 4', 'train 1 of 4', 'validation - of 4', 'validation - of 1'])
    await batches.training(1, 1)
    for await (const { labels } of batches.validation()) expect(labels.length).toBeGreaterThan(0)
    expect(asked.slice(4)).toEqual(['train 2 of 4', 'train 2 of 4', 'validation - of 4'])
    await batches.training(2, 0)
    await batches.training(2, 1)
    for await (const { labels } of batches.validation()) expect(labels.length).toBeGreaterThan(0)
    expect(asked.slice(7)).toEqual(['validation - of 1'])
    batches.close()
  })

  test('is left where training begins elsewhere, and the batch asked for is the right one', async () => {
    const { asked, open } = watched()
    const batches = createBatches(dataset, options, open)
    await batches.training(1, 0)
    const jumped = imagesOf(await batches.training(3, 1), dataset)
    const straight = createBatches(dataset, options)
    expect(jumped).toEqual(imagesOf(await straight.training(3, 1), dataset))
    expect(asked.slice(4, 6)).toEqual(['train 3 of 4', 'validation - of 4'])
    batches.close()
    straight.close()
  })

  test.each([true, false])(
    'leaves the last batch alone while another one is asked for (concurrently: %s)',
    async (concurrent) => {
      const plain = createPlainFiller(dataset, options)
      const taken: ArrayBufferLike[] = []
      let touched = 0
      const filler: BatchFiller = {
        concurrent,
        fill(request) {
          if (request.images.buffer === taken.at(-1)) touched += 1
          return plain.fill(request)
        },
        close: () => plain.close(),
      }
      const batches = createBatches(dataset, options, () => filler)
      const note = ({ images }: Batch): void => void taken.push(images.buffer)
      for (const epoch of [1, 2, 3]) {
        for (const step of [0, 1]) note(await batches.training(epoch, step))
        for await (const batch of batches.validation()) note(batch)
      }
      // Out of turn.
      for (const step of [1, 0]) note(await batches.training(1, step))
      expect(taken).toHaveLength(14)
      expect(touched).toBe(0)
      batches.close()
    },
  )

  test('is right for batches that are asked for at one time, in the order of asking', async () => {
    const [together, straight] = [createBatches(dataset, options), createBatches(dataset, options)]
    const expected = [await copyOf(straight.training(1, 0)), await copyOf(straight.training(1, 1))]
    expect(await Promise.all([together.training(1, 0), together.training(1, 1)])).toEqual(expected)
    together.close()
    straight.close()
  })

  test('holds nothing before the first batch, and nothing after closing', async () => {
    const open = vi.fn(openFiller)
    const batches = createBatches(dataset, options, open)
    batches.close()
    expect(open).not.toHaveBeenCalled()
    await batches.training(1, 0)
    batches.close()
    batches.close()
    expect(open).toHaveBeenCalledTimes(1)
  })

  test('that fails fails the batch it was for', async () => {
    const broken = { ...dataset, train: { ...dataset.train, images: { ...dataset.train.images } } }
    broken.train.images.source = { kind: 'FILE', path: '/nowhere/at/all' }
    const batches = createBatches(broken, options, createPlainFiller)
    await expect(batches.training(1, 0)).rejects.toThrow('ENOENT')
    batches.close()
  })
})

describe('refusals', () => {
  const dataset = smallDataset(10, 5)
  test.each([
    [{ globalBatch: 11 }, 'globalBatch', 'Expected a global batch of at most 10, the training images in use; got 11.'],
    [{ trainImages: 3 }, 'globalBatch', 'Expected a global batch of at most 3, the training images in use; got 4.'],
    [{ trainImages: 11 }, 'trainImages', 'Expected trainImages of at most 10, the images there are; got 11.'],
    [
      { validationImages: 6 },
      'validationImages',
      'Expected validationImages of at most 5, the images there are; got 6.',
    ],
  ])('%j', (change, field, message) => {
    expect(() => createBatches(dataset, { ...options, ...change })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field, message }),
    )
  })
})

describe('normalisation', () => {
  test('is exact by channel', () => {
    const { mean, deviation } = normalisationOf(Uint8Array.of(0, 255, 51, 51), shape)
    expect(mean).toEqual([0.5, 0.2])
    // The second channel has one level only: nothing to scale by.
    expect(deviation).toEqual([0.5, 1])
  })
})
