// Cuts a dataset into batches: which images, in which order, as normalised floats, as a pure function of
// (seed, epoch, step), so that training can continue from any position with the same batches.
import { TrainqlError } from '../../shared/errors.ts'
import type { RunSpec } from '../../shared/run-spec.ts'
import type { Batch } from '../engine.ts'
import { permutation } from '../random.ts'
import { imageSize, type Dataset, type Split } from './dataset.ts'

export type BatchOptions = Pick<RunSpec, 'seed' | 'globalBatch' | 'trainImages' | 'validationImages'>

export interface Batches {
  trainImages: number
  validationImages: number
  /** Full global batches in an epoch; an incomplete last one is dropped. */
  stepsPerEpoch: number
  /** Training batch `step` (from 0) of `epoch` (from 1). Its memory is used again by the next call of either method. */
  training(epoch: number, step: number): Batch
  /** Every validation image once, in fixed order; the last batch may be smaller. Memory as above. */
  validation(): Iterable<Batch>
}

/** @throws TrainqlError `INVALID_INPUT` where fewer images are there than asked for, or than one global batch. */
export function createBatches(dataset: Dataset, options: BatchOptions): Batches {
  const { seed, globalBatch } = options
  const trainSubset = chooseSubset(dataset.train, {
    seed,
    substream: 0,
    field: 'trainImages',
    wanted: options.trainImages,
  })
  const validationSubset = chooseSubset(dataset.validation, {
    seed,
    substream: 1,
    field: 'validationImages',
    wanted: options.validationImages,
  })
  const stepsPerEpoch = Math.floor(trainSubset.length / globalBatch)
  if (stepsPerEpoch === 0) {
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'globalBatch',
      message: `Expected a global batch of at most ${trainSubset.length}, the training images in use; got ${globalBatch}.`,
      fix: 'Lower the global batch, or use more training images.',
    })
  }

  const size = imageSize(dataset.shape)
  const images = new Float32Array(globalBatch * size)
  const labels = new Int32Array(globalBatch)
  const levels = levelsOf(dataset)
  const planes = { plane: dataset.shape.height * dataset.shape.width, channels: dataset.shape.channels }
  let shuffled = { epoch: 0, order: new Uint32Array(0) }

  function fill(split: Split, indices: Uint32Array): Batch {
    indices.forEach((image, row) => {
      let from = image * size
      let to = row * size
      for (let channel = 0; channel < planes.channels; channel += 1) {
        const offset = channel * 256
        for (const end = from + planes.plane; from < end; from += 1, to += 1) {
          images[to] = levels[offset + (split.images[from] as number)] as number
        }
      }
      labels[row] = split.labels[image] as number
    })
    return { images: images.subarray(0, indices.length * size), labels: labels.subarray(0, indices.length) }
  }

  return {
    trainImages: trainSubset.length,
    validationImages: validationSubset.length,
    stepsPerEpoch,
    training(epoch, step) {
      if (shuffled.epoch !== epoch) {
        const order = permutation(trainSubset.length, { seed, stream: 'shuffle', substream: epoch })
        shuffled = { epoch, order: order.map((position) => trainSubset[position] as number) }
      }
      return fill(dataset.train, shuffled.order.subarray(step * globalBatch, (step + 1) * globalBatch))
    },
    *validation() {
      for (let start = 0; start < validationSubset.length; start += globalBatch) {
        yield fill(dataset.validation, validationSubset.subarray(start, start + globalBatch))
      }
    },
  }
}

interface SubsetChoice {
  seed: number
  substream: number
  field: 'trainImages' | 'validationImages'
  /** Null: all. */
  wanted: number | null
}

/** The first `wanted` images of a seeded order, or all in the file's order. */
function chooseSubset(split: Split, { seed, substream, field, wanted }: SubsetChoice): Uint32Array {
  if (wanted === null) return Uint32Array.from({ length: split.count }, (_, index) => index)
  if (wanted > split.count) {
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field,
      message: `Expected ${field} of at most ${split.count}, the images there are; got ${wanted}.`,
      fix: `Lower ${field}, or leave it out to use all.`,
    })
  }
  return permutation(split.count, { seed, stream: 'subset', substream }).slice(0, wanted)
}

/** The normalised value of each of the 256 grey levels, by channel: (channels, 256). */
function levelsOf({ shape, normalisation }: Dataset): Float32Array {
  const levels = new Float32Array(shape.channels * 256)
  for (let channel = 0; channel < shape.channels; channel += 1) {
    const mean = normalisation.mean[channel] ?? 0
    const deviation = normalisation.deviation[channel] ?? 1
    for (let level = 0; level < 256; level += 1) levels[channel * 256 + level] = (level / 255 - mean) / deviation
  }
  return levels
}
