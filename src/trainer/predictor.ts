// A checkpoint that is ready to predict: its model with its weights on an engine, and the likeliest classes of what it computes.
import { TrainqlError } from '../shared/errors.ts'
import { optimizerSchema } from '../shared/recipe.ts'
import type { AssignedDevice, EngineChoice, ImageSize } from '../shared/run-spec.ts'
import { loadWeights } from './checkpoints/load.ts'
import type { Manifest } from './checkpoints/manifest.ts'
import type { Session, StateDict } from './engine.ts'
import { openEngine } from './engines/open.ts'
import type { ModelGraph } from './models/graph.ts'
import { resnet } from './models/resnet.ts'

export interface PredictorRequest {
  /** Folder of a checkpoint. */
  checkpoint: string
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

export interface ImageSource {
  count: number
  /** Normalised images `first` to `first + count - 1`, (count, C, H, W); may be memory that the next call uses again. */
  read: (first: number, count: number) => Float32Array
  /** How an error names an image. Default: by its index. */
  nameOf?: (index: number) => string
}

/** A checkpoint as it was read. */
export interface LoadedModel {
  manifest: Manifest
  state: StateDict
  /** For the size of the images that are to be predicted. */
  graph: ModelGraph
}

export interface Predictor {
  /**
   * Predictions in the order of the images. What an image gets does not depend on the images beside it.
   * @throws TrainqlError `INVALID_INPUT` naming the first image whose logits are not finite
   */
  predict(source: ImageSource): Promise<Prediction[]>
  close(): Promise<void>
}

/** A session must have one; nothing is updated. */
const noOptimizer = optimizerSchema.parse({ kind: 'SGD', momentum: 0 })

/** Batch norm needs two values a channel to be planned, though predictions take none of its statistics. */
const leastImagesPerDevice = 2

/** @throws TrainqlError `CHECKPOINT_INVALID`; `INVALID_INPUT` where nobody says the size of the images */
export async function loadModel(request: Pick<PredictorRequest, 'checkpoint' | 'imageSize'>): Promise<LoadedModel> {
  const { manifest, state } = await loadWeights(request.checkpoint)
  const { architecture, classes } = manifest.model
  return { manifest, state, graph: resnet({ architecture, input: inputOf(request, manifest), classes }) }
}

/**
 * What the checkpoint says of the images that its model was trained on.
 * @throws TrainqlError `CHECKPOINT_INVALID` with `fix` where it says nothing
 */
export function imageDataOf({ data }: Manifest, fix: string): NonNullable<Manifest['data']> {
  if (data !== null) return data
  throw new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message:
      'Expected a checkpoint that says how its images were normalised; this one was imported from a file that does not.',
    fix,
  })
}

/** @throws TrainqlError `INVALID_INPUT`, `ENGINE_UNAVAILABLE`, `OUT_OF_MEMORY` */
export async function openPredictor(
  { manifest, state, graph }: LoadedModel,
  { top = 5, devices, imagesPerDevice = 32, ...request }: Omit<PredictorRequest, 'checkpoint' | 'imageSize'>,
): Promise<Predictor> {
  checkCount('top', top, 1)
  checkCount('imagesPerDevice', imagesPerDevice, leastImagesPerDevice)
  const engine = await openEngine(request.engine ?? 'AUTO', devices)
  const shards = devices.length
  const globalBatch = shards * imagesPerDevice
  const session = await engine.open({ graph, globalBatch, shards, devices, optimizer: noOptimizer })
  try {
    await session.writeState(state)
  } catch (error) {
    await session.close()
    throw error
  }
  const named = (index: number, row: Float32Array): ClassProbability => ({
    class: index,
    name: manifest.data?.classNames[index] ?? String(index),
    probability: row[index] ?? NaN,
  })
  return {
    async predict(source) {
      const rows = await predictProbabilities(session, { classes: graph.classes, globalBatch }, source)
      return rows.map((row) => likeliest(row, top).map((index) => named(index, row)))
    },
    close: () => session.close(),
  }
}

/** Softmax of the logits of any number of images, (classes) each, a global batch at a time. */
async function predictProbabilities(
  session: Pick<Session, 'predict'>,
  { classes, globalBatch }: { classes: number; globalBatch: number },
  { count, read, nameOf = String }: ImageSource,
): Promise<Float32Array[]> {
  const rows: Float32Array[] = []
  for (let first = 0; first < count; first += globalBatch) {
    const logits = await session.predict(read(first, Math.min(globalBatch, count - first)))
    for (let at = 0; at < logits.length; at += classes) {
      const row = softmax(logits.subarray(at, at + classes))
      if (row === null) throw notFinite(nameOf(rows.length))
      rows.push(row)
    }
  }
  return rows
}

/** In float64, shifted by the largest logit so that no exponential overflows; null where the logits are not finite. */
function softmax(logits: Float32Array): Float32Array | null {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - largest))
  const sum = exponentials.reduce((a, b) => a + b, 0)
  return Number.isFinite(sum) ? Float32Array.from(exponentials, (value) => value / sum) : null
}

function likeliest(probabilities: Float32Array, top: number): number[] {
  const value = (index: number): number => probabilities[index] ?? NaN
  return Array.from(probabilities.keys())
    .sort((a, b) => value(b) - value(a) || a - b)
    .slice(0, top)
}

function inputOf({ imageSize: size }: Pick<PredictorRequest, 'imageSize'>, { model }: Manifest): ModelGraph['input'] {
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

function checkCount(field: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field,
    message: `Expected ${field} to be a whole number from ${least}; got ${value}.`,
    fix: `Pass ${least} or more.`,
  })
}

function notFinite(image: string): TrainqlError {
  return new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'images',
    message: `Expected finite logits; those of image ${image} are not.`,
    fix: 'Look at its pixel values, and at whether the training had diverged.',
  })
}
