// What a run does to its images: their size, random changes while training, and what happens to one that cannot be read.
import { z } from 'zod'
import { invalidInput } from './errors.ts'

/** What a run does at an image that cannot be decoded: fail, or leave it out and count it. */
export const corruptImagePolicies = ['FAIL', 'SKIP'] as const
export type CorruptImagePolicy = (typeof corruptImagePolicies)[number]

const positiveInt = z.number().int().positive()
const share = z.number().gt(0).max(1)
const ratio = z.number().positive()

export const imageSizeSchema = z.strictObject({ height: positiveInt.max(4096), width: positiveInt.max(4096) })
export type ImageSize = z.output<typeof imageSizeSchema>

/** Of training images only; named and meant as torchvision's transforms are. */
export const augmentationSchema = z.strictObject({
  /** Pads with black (before normalisation) and cuts the image's own size out of it at a random place. */
  randomCrop: z
    .strictObject({ padding: positiveInt.max(4096).default(4) })
    .nullable()
    .default(null),
  /** Cuts a share of the area, of a random aspect (width / height), and scales it to the image's size. */
  randomResizedCrop: z
    .strictObject({
      minScale: share.default(0.08),
      maxScale: share.default(1),
      minRatio: ratio.default(3 / 4),
      maxRatio: ratio.default(4 / 3),
    })
    .nullable()
    .default(null),
  /** Mirrors every second image, by chance. */
  horizontalFlip: z.boolean().default(false),
  /** Sets a square of so many pixels to zero (after normalisation), its centre anywhere: arXiv:1708.04552. */
  cutout: z
    .strictObject({ size: positiveInt.max(4096) })
    .nullable()
    .default(null),
})
export type AugmentationSpec = z.output<typeof augmentationSchema>

/** @throws TrainqlError `INVALID_INPUT` where settings contradict each other, whatever the images. */
export function checkAugmentation({ randomCrop, randomResizedCrop }: AugmentationSpec): void {
  if (randomResizedCrop === null) return
  if (randomCrop !== null) {
    throw invalidInput({
      field: 'augmentation',
      message: 'Expected one crop; got randomCrop and randomResizedCrop.',
      fix: 'Leave one of them out.',
    })
  }
  for (const [least, most] of [
    ['minScale', 'maxScale'],
    ['minRatio', 'maxRatio'],
  ] as const) {
    if (randomResizedCrop[least] <= randomResizedCrop[most]) continue
    throw invalidInput({
      field: `augmentation.randomResizedCrop.${least}`,
      message: `Expected ${least} of at most ${most}, ${randomResizedCrop[most]}; got ${randomResizedCrop[least]}.`,
      fix: `Lower ${least}, or raise ${most}.`,
    })
  }
}

/** @throws TrainqlError `INVALID_INPUT` where images of this size have no room for what is asked. */
export function checkAugmentationSize(augmentation: AugmentationSpec | null, { height, width }: ImageSize): void {
  const shortest = Math.min(height, width)
  const lengths = {
    'randomCrop.padding': augmentation?.randomCrop?.padding ?? 0,
    'cutout.size': augmentation?.cutout?.size ?? 0,
  }
  for (const [name, pixels] of Object.entries(lengths)) {
    if (pixels < shortest) continue
    throw invalidInput({
      field: `augmentation.${name}`,
      message: `Expected ${name} below ${shortest}, the shorter side of ${height}x${width} images; got ${pixels}.`,
      fix: `Use at most ${shortest - 1}.`,
    })
  }
}
