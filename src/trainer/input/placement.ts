// How one stored image becomes one image of a batch: which part of it, where, mirrored or not, with which hole. Drawn as
// a pure function of (seed, epoch, index); `native/src/input/placement.cc` draws the same.
import type { AugmentationSpec } from '../../shared/augmentation.ts'
import { exponential } from '../exponential.ts'
import { naturalLogarithm } from '../normal-quantile.ts'
import { createRandom, type Random, type Stream } from '../random.ts'

export interface Size {
  height: number
  width: number
}

export interface Box extends Size {
  top: number
  left: number
}

export interface Placement {
  /** Of the stored image; scaled to the output's size. */
  box: Box
  /** Where in the scaled image the output begins; what lies outside of it is black. */
  top: number
  left: number
  flipped: boolean
  /** Of the output, set to zero, which is the mean. */
  cut: Box | null
}

/** An augmentation with everything taken from it that does not depend on the image. */
export interface PlacementRules {
  resizedCrop: ResizedCropRule | null
  /** 0: no crop. */
  padding: number
  flip: boolean
  /** Side of the square; 0: none. */
  cutout: number
}

interface ResizedCropRule {
  minScale: number
  maxScale: number
  minRatio: number
  maxRatio: number
  logMinRatio: number
  logMaxRatio: number
}

export interface DrawKey {
  seed: number
  epoch: number
  /** Of the image within its split. */
  index: number
}

export function placementRules(augmentation: AugmentationSpec | null): PlacementRules {
  const crop = augmentation?.randomResizedCrop ?? null
  return {
    resizedCrop: crop && {
      ...crop,
      logMinRatio: naturalLogarithm(crop.minRatio),
      logMaxRatio: naturalLogarithm(crop.maxRatio),
    },
    padding: augmentation?.randomCrop?.padding ?? 0,
    flip: augmentation?.horizontalFlip ?? false,
    cutout: augmentation?.cutout?.size ?? 0,
  }
}

/** What an unchanged output shows: the largest part of the output's shape, from the middle. */
export function plainPlacement(stored: Size, output: Size): Placement {
  const scale = Math.min(stored.height / output.height, stored.width / output.width)
  const box = centred(
    {
      height: clamp(roundHalfToEven(output.height * scale), 1, stored.height),
      width: clamp(roundHalfToEven(output.width * scale), 1, stored.width),
    },
    stored,
  )
  return { box, top: 0, left: 0, flipped: false, cut: null }
}

/** Each kind of change draws from a stream of its own: one more of them moves nothing in another. */
export function drawPlacement(
  rules: PlacementRules,
  { seed, epoch, index }: DrawKey,
  { stored, output }: { stored: Size; output: Size },
): Placement {
  const random = (stream: Stream): Random => createRandom({ seed, stream, substream: index, part: epoch })
  const placement = plainPlacement(stored, output)
  if (rules.resizedCrop !== null) placement.box = drawResizedCrop(rules.resizedCrop, random('resizedCrop'), stored)
  if (rules.padding > 0) {
    const draws = random('crop')
    placement.top = draws.below(2 * rules.padding + 1) - rules.padding
    placement.left = draws.below(2 * rules.padding + 1) - rules.padding
  }
  if (rules.flip) placement.flipped = random('flip').below(2) === 1
  if (rules.cutout > 0) placement.cut = drawCut(rules.cutout, random('cutout'), output)
  return placement
}

/** torchvision.transforms.RandomResizedCrop.get_params. */
function drawResizedCrop(rule: ResizedCropRule, random: Random, stored: Size): Box {
  const area = stored.height * stored.width
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const target = area * random.between(rule.minScale, rule.maxScale)
    const ratio = exponential(random.between(rule.logMinRatio, rule.logMaxRatio))
    const width = roundHalfToEven(Math.sqrt(target * ratio))
    const height = roundHalfToEven(Math.sqrt(target / ratio))
    if (!(width > 0 && width <= stored.width && height > 0 && height <= stored.height)) continue
    const top = random.below(stored.height - height + 1)
    const left = random.below(stored.width - width + 1)
    return { top, left, height, width }
  }
  const ratio = stored.width / stored.height
  const { minRatio, maxRatio } = rule
  if (ratio < minRatio) {
    const height = clamp(roundHalfToEven(stored.width / minRatio), 1, stored.height)
    return centred({ height, width: stored.width }, stored)
  }
  if (ratio > maxRatio) {
    const width = clamp(roundHalfToEven(stored.height * maxRatio), 1, stored.width)
    return centred({ height: stored.height, width }, stored)
  }
  return { top: 0, left: 0, ...sizeOf(stored) }
}

/** arXiv:1708.04552: the centre is any pixel, what lies outside the image is cut off. */
function drawCut(side: number, random: Random, output: Size): Box {
  const top = random.below(output.height) - Math.floor(side / 2)
  const left = random.below(output.width) - Math.floor(side / 2)
  const bottom = Math.min(top + side, output.height)
  const right = Math.min(left + side, output.width)
  const [firstRow, firstColumn] = [Math.max(top, 0), Math.max(left, 0)]
  return { top: firstRow, left: firstColumn, height: bottom - firstRow, width: right - firstColumn }
}

function centred(size: Size, within: Size): Box {
  return {
    top: Math.floor((within.height - size.height) / 2),
    left: Math.floor((within.width - size.width) / 2),
    ...sizeOf(size),
  }
}

function sizeOf({ height, width }: Size): Size {
  return { height, width }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high)
}

/** As Python's and C's rounding: halves go to the even neighbour. */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}
