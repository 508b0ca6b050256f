// Batches: exact values, each image once, the same from any position, and typed refusals.
import { describe, expect, test } from 'vitest'
import { createBatches, type BatchOptions } from '../../src/trainer/datasets/batches.ts'
import { normalisationOf, type Dataset } from '../../src/trainer/datasets/dataset.ts'
import type { Batch } from '../../src/trainer/engine.ts'

const shape = { channels: 2, height: 1, width: 2 }

/** Image i has the first channel 10 i, the second 10 i + 1 throughout, and the label i mod 3. */
function smallDataset(trainImages: number, validationImages: number): Dataset {
  const split = (count: number) => ({
    count,
    images: Uint8Array.from({ length: count * 4 }, (_, at) => 10 * Math.floor(at / 4) + (at % 4 < 2 ? 0 : 1)),
    labels: Uint8Array.from({ length: count }, (_, index) => index % 3),
  })
  const train = split(trainImages)
  return {
    name: 'small',
    shape,
    classes: ['a', 'b', 'c'],
    train,
    validation: split(validationImages),
    normalisation: normalisationOf(train, shape),
  }
}

const options: BatchOptions = { seed: 0, globalBatch: 4, trainImages: null, validationImages: null }

/** Which images a batch holds, by undoing the normalisation of the first channel. */
function imagesOf({ images, labels }: Batch, { normalisation }: Dataset): number[] {
  const [mean = 0] = normalisation.mean
  const [deviation = 1] = normalisation.deviation
  return [...labels].map((_, row) =>
    Math.abs(Math.round((((images[row * 4] as number) * deviation + mean) * 255) / 10)),
  )
}

describe('training batches', () => {
  const dataset = smallDataset(10, 5)

  test('hold normalised values, channel by channel, and the labels beside them', () => {
    const identity = { ...dataset, normalisation: { mean: [0, 0.5], deviation: [1 / 255, 0.5] } }
    const batch = createBatches(identity, options).training(1, 0)
    expect(batch.images).toHaveLength(16)
    for (let row = 0; row < 4; row += 1) {
      const [first = NaN, again, second, third] = batch.images.subarray(row * 4, row * 4 + 4)
      expect(again).toBe(first)
      expect(second).toBe(Math.fround(((first + 1) / 255 - 0.5) / 0.5))
      expect(third).toBe(second)
      expect(batch.labels[row]).toBe((first / 10) % 3)
    }
  })

  test('take each image at most once an epoch and drop the incomplete batch', () => {
    const batches = createBatches(dataset, options)
    expect(batches.stepsPerEpoch).toBe(2)
    const taken = [0, 1].flatMap((step) => imagesOf(batches.training(1, step), dataset))
    expect(taken).toHaveLength(8)
    expect(new Set(taken).size).toBe(8)
    for (const image of taken) expect(image).toBeLessThan(10)
  })

  test('are another order each epoch and each seed', () => {
    const batches = createBatches(dataset, options)
    const order = (epoch: number) => [0, 1].flatMap((step) => imagesOf(batches.training(epoch, step), dataset))
    const other = createBatches(dataset, { ...options, seed: 1 })
    expect(order(2)).not.toEqual(order(1))
    expect(imagesOf(other.training(1, 0), dataset)).not.toEqual(order(1).slice(0, 4))
  })

  test('are the same wherever training begins', () => {
    const straight = createBatches(dataset, options)
    for (const epoch of [1, 2]) {
      for (const step of [0, 1]) {
        const batch = straight.training(epoch, step)
        const resumed = createBatches(dataset, options).training(epoch, step)
        expect(resumed.images).toEqual(batch.images)
        expect(resumed.labels).toEqual(batch.labels)
      }
    }
  })

  test('of a smaller set are drawn from a seeded choice of images, the same in every epoch', () => {
    const batches = createBatches(dataset, { ...options, trainImages: 4 })
    expect(batches.trainImages).toBe(4)
    expect(batches.stepsPerEpoch).toBe(1)
    const chosen = imagesOf(batches.training(1, 0), dataset)
    const later = imagesOf(batches.training(2, 0), dataset)
    expect(new Set(later)).toEqual(new Set(chosen))
    expect(new Set(chosen).size).toBe(4)
    const otherSeed = createBatches(dataset, { ...options, seed: 7, trainImages: 4 })
    expect(new Set(imagesOf(otherSeed.training(1, 0), dataset))).not.toEqual(new Set(chosen))
  })
})

describe('validation batches', () => {
  test('hold every image once, in order, the rest in a smaller last batch', () => {
    const dataset = smallDataset(10, 5)
    const batches = createBatches(dataset, options)
    const sizes: number[] = []
    const images: number[] = []
    const labels: number[] = []
    for (const batch of batches.validation()) {
      sizes.push(batch.labels.length)
      images.push(...imagesOf(batch, dataset))
      labels.push(...batch.labels)
      expect(batch.images).toHaveLength(batch.labels.length * 4)
    }
    expect(sizes).toEqual([4, 1])
    expect(images).toEqual([0, 1, 2, 3, 4])
    expect(labels).toEqual([0, 1, 2, 0, 1])
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
    const { mean, deviation } = normalisationOf(
      { count: 1, images: Uint8Array.of(0, 255, 51, 51), labels: Uint8Array.of(0) },
      shape,
    )
    expect(mean).toEqual([0.5, 0.2])
    // The second channel has one level only: nothing to scale by.
    expect(deviation).toEqual([0.5, 1])
  })
})
