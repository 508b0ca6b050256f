// Which class is it? A checkpoint and images in, the likeliest classes of each image and their probabilities out.
import { TrainqlError } from '../shared/errors.ts'
import { optimizerSchema } from '../shared/recipe.ts'
import type { AssignedDevice, EngineChoice, ImageSize } from '../shared/run-spec.ts'
import { loadWeights } from './checkpoints/load.ts'
import type { Manifest } from './checkpoints/manifest.ts'
import type { Session, SessionSpec } from './engine.ts'
import { openEngine } from './engines/open.ts'
import { imageSize } from './engines/session-spec.ts'
import type { ModelGraph } from './models/graph.ts'
import { resnet } from './models/resnet.ts'

/**
 * Any number of images, (N, C, H, W) of the model's input: pixels as bytes, which are normalised as in training, or
 * floats that already are.
 */
export type Images = Uint8Array | Float32Array

export interface PredictRequest {
  /** Folder of a checkpoint. */
  checkpoint: string
  images: Images
  /** Height and width of the images; default: those the model was trained on, which an imported file does not tell. */
  imageSize?: ImageSize
  /** Classes to give of each image, likeliest first; at most all there are. Default 5. */
  top?: number
  /** Default AUTO. */
  engine?: EngineChoice
  /** A power of two of devices, which take images side by side. */
  devices: readonly AssignedDevice[]
  /** Images that a device computes at once: more need more memory. Default 32. */
  imagesPerDevice?: number
}

export interface ClassProbability {
  class: number
  /** The number as text where the checkpoint does not know the name. */
  name: string
  probability: number
}

/** Of one image: its likeliest classes, likeliest first; of equal ones the earlier class leads. */
export type Prediction = ClassProbability[]

/** A session must have one; nothing is updated. */
const noOptimizer = optimizerSchema.parse({ kind: 'SGD', momentum: 0 })

/** Batch norm needs two values a channel to be planned, though predictions take none of its statistics. */
const leastImagesPerDevice = 2

/**
 * Predictions in the order of the images. What an image gets does not depend on the images beside it.
 * @throws TrainqlError `CHECKPOINT_INVALID`; `INVALID_INPUT` for images that do not fit the model, whose size nobody
 * says, or whose logits are not finite; `ENGINE_UNAVAILABLE`, `OUT_OF_MEMORY`.
 */
export async function predict(request: PredictRequest): Promise<Prediction[]> {
  const { checkpoint, images, top = 5, devices, imagesPerDevice = 32 } = request
  const { manifest, state } = await loadWeights(checkpoint)
  const { architecture, classes } = manifest.model
  const graph = resnet({ architecture, input: inputOf(request, manifest), classes })
  const read = readerOf(images, { graph, manifest })
  const count = countImages(images, graph)
  checkCount('top', top, 1)
  checkCount('imagesPerDevice', imagesPerDevice, leastImagesPerDevice)

  const engine = await openEngine(request.engine ?? 'AUTO', devices)
  const shards = devices.length
  const plan = { graph, globalBatch: shards * imagesPerDevice, shards, devices }
  const session = await engine.open({ ...plan, optimizer: noOptimizer })
  try {
    await session.writeState(state)
    const probabilities = await predictProbabilities(session, plan, { count, read })
    return Array.from({ length: count }, (_, image) => {
      const row = probabilities.subarray(image * classes, (image + 1) * classes)
      return likeliest(row, top).map((index) => ({
        class: index,
        name: manifest.data?.classNames[index] ?? String(index),
        probability: row[index] ?? NaN,
      }))
    })
  } finally {
    await session.close()
  }
}

export interface ImageSource {
  count: number
  /** Normalised images `first` to `first + count - 1`, (count, C, H, W); may be memory that the next call uses again. */
  read: (first: number, count: number) => Float32Array
}

/**
 * Softmax of the logits of any number of images, (N, classes), a global batch at a time.
 * @throws TrainqlError `INVALID_INPUT` naming the first image whose logits are not finite.
 */
export async function predictProbabilities(
  session: Pick<Session, 'predict'>,
  { graph, globalBatch }: Pick<SessionSpec, 'graph' | 'globalBatch'>,
  { count, read }: ImageSource,
): Promise<Float32Array> {
  const { classes } = graph
  const probabilities = new Float32Array(count * classes)
  for (let first = 0; first < count; first += globalBatch) {
    const logits = await session.predict(read(first, Math.min(globalBatch, count - first)))
    for (let at = 0; at < logits.length; at += classes) {
      const row = softmax(logits.subarray(at, at + classes))
      if (row === null) throw notFinite(first + at / classes)
      probabilities.set(row, first * classes + at)
    }
  }
  return probabilities
}

/** In float64, shifted by the largest logit so that no exponential overflows; null where the logits are not finite. */
function softmax(logits: Float32Array): Float64Array | null {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - largest))
  const sum = exponentials.reduce((a, b) => a + b, 0)
  return Number.isFinite(sum) ? exponentials.map((value) => value / sum) : null
}

function likeliest(probabilities: Float32Array, top: number): number[] {
  const value = (index: number): number => probabilities[index] ?? NaN
  return Array.from(probabilities.keys())
    .sort((a, b) => value(b) - value(a) || a - b)
    .slice(0, top)
}

function inputOf({ imageSize: size }: PredictRequest, { model }: Manifest): ModelGraph['input'] {
  const { channels } = model.input
  const height = size?.height ?? model.input.height
  const width = size?.width ?? model.input.width
  if (height !== null && width !== null) return { channels, height, width }
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'imageSize',
    message: 'Expected the height and width of the images; the checkpoint was imported from a file that has none.',
    fix: 'Pass imageSize.',
  })
}

function readerOf(images: Images, { graph, manifest }: { graph: ModelGraph; manifest: Manifest }): ImageSource['read'] {
  const size = imageSize(graph)
  const part = <T extends Images>(all: T, first: number, count: number): T =>
    all.subarray(first * size, (first + count) * size) as T
  if (images instanceof Float32Array) return (first, count) => part(images, first, count)
  if (manifest.data === null) {
    throw new TrainqlError({
      code: 'CHECKPOINT_INVALID',
      message:
        'Expected a checkpoint that says how its images were normalised; this one was imported from a file that does not.',
      fix: 'Pass images as floats, normalised as in training.',
    })
  }
  const { mean, deviation } = manifest.data.normalisation
  const { channels, height, width } = graph.input
  const plane = height * width
  return (first, count) =>
    Float32Array.from(part(images, first, count), (pixel, index) => {
      const channel = Math.floor(index / plane) % channels
      return (pixel / 255 - (mean[channel] ?? NaN)) / (deviation[channel] ?? NaN)
    })
}

function countImages(images: Images, graph: ModelGraph): number {
  const size = imageSize(graph)
  const count = images.length / size
  if (Number.isInteger(count) && count > 0) return count
  const { channels, height, width } = graph.input
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'images',
    message: `Expected whole images of ${channels}x${height}x${width}, ${size} values each; got ${images.length} values.`,
    fix: 'Pass images (N, C, H, W) of the size the model was trained on.',
  })
}

function checkCount(field: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field,
    message: `Expected ${field} to be a whole number from ${least}; got ${value}.`,
    fix: `Pass ${least} or more.`,
  })
}

function notFinite(image: number): TrainqlError {
  return new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'images',
    message: `Expected finite logits; those of image ${image} are not.`,
    fix: 'Look at its pixel values, and at whether the training had diverged.',
  })
}
