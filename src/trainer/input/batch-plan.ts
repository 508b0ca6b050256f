// Which images each batch holds, as a pure function of (seed, epoch, step), so that training can go on from any position
// with the same batches.
import { invalidInput } from '../../shared/errors.ts'
import type { RunSpec } from '../../shared/run-spec.ts'
import type { Dataset, Split } from '../datasets/dataset.ts'
import { permutation } from '../random.ts'

export type BatchOptions = Pick<
  RunSpec,
  'seed' | 'globalBatch' | 'trainImages' | 'validationImages' | 'epochs' | 'augmentation'
>

/** A batch in the order of a run: an epoch's steps, its validation, the next epoch. */
export type Position =
  | { split: 'train'; /** From 1. */ epoch: number; /** From 0. */ step: number }
  | {
      split: 'validation'
      batch: number
      /** Behind which it is run; null where that is not known. */ epoch: number | null
    }

export interface BatchPlan {
  trainImages: number
  validationImages: number
  /** Full global batches in an epoch; an incomplete last one is dropped. */
  stepsPerEpoch: number
  /** The last one may be smaller. */
  validationBatches: number
  /** Indices of the batch's images within its split. */
  images(position: Position): Uint32Array
  /** What a run asks for next; null at its end. */
  after(position: Position): Position | null
}

/** @throws TrainqlError `INVALID_INPUT` where fewer images are there than asked for, or than one global batch. */
export function planBatches(dataset: Dataset, options: BatchOptions): BatchPlan {
  const { seed, globalBatch, epochs } = options
  const wanted = { trainImages: options.trainImages, validationImages: options.validationImages }
  const train = chooseSubset(dataset.train, { seed, substream: 0, field: 'trainImages', wanted: wanted.trainImages })
  const validation = chooseSubset(dataset.validation, {
    seed,
    substream: 1,
    field: 'validationImages',
    wanted: wanted.validationImages,
  })
  const stepsPerEpoch = Math.floor(train.length / globalBatch)
  if (stepsPerEpoch === 0) {
    throw invalidInput({
      field: 'globalBatch',
      message: `Expected a global batch of at most ${train.length}, the training images in use; got ${globalBatch}.`,
      fix: 'Lower the global batch, or use more training images.',
    })
  }
  const validationBatches = Math.ceil(validation.length / globalBatch)
  let shuffled = { epoch: 0, order: new Uint32Array(0) }

  function orderOf(epoch: number): Uint32Array {
    if (shuffled.epoch !== epoch) {
      const order = permutation(train.length, { seed, stream: 'shuffle', substream: epoch })
      shuffled = { epoch, order: order.map((position) => train[position] as number) }
    }
    return shuffled.order
  }

  return {
    trainImages: train.length,
    validationImages: validation.length,
    stepsPerEpoch,
    validationBatches,
    images(position) {
      const [order, batch] =
        position.split === 'train' ? [orderOf(position.epoch), position.step] : [validation, position.batch]
      return order.subarray(batch * globalBatch, (batch + 1) * globalBatch)
    },
    after(position) {
      const { split, epoch } = position
      if (split === 'train') {
        const step = position.step + 1
        return step < stepsPerEpoch ? { split, epoch, step } : { split: 'validation', batch: 0, epoch }
      }
      const batch = position.batch + 1
      if (batch < validationBatches) return { split, batch, epoch }
      return epoch === null || epoch >= epochs ? null : { split: 'train', epoch: epoch + 1, step: 0 }
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

/** The first `wanted` images of a seeded order, or all in the dataset's order. */
function chooseSubset(split: Split, { seed, substream, field, wanted }: SubsetChoice): Uint32Array {
  if (wanted === null) return Uint32Array.from({ length: split.count }, (_, index) => index)
  if (wanted > split.count) {
    throw invalidInput({
      field,
      message: `Expected ${field} of at most ${split.count}, the images there are; got ${wanted}.`,
      fix: `Lower ${field}, or leave it out to use all.`,
    })
  }
  return permutation(split.count, { seed, stream: 'subset', substream }).slice(0, wanted)
}
