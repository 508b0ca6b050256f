// Which class is it? A checkpoint and images in memory in, the likeliest classes of each image and their probabilities out.
import { TrainqlError } from '../shared/errors.ts'
import type { Manifest } from './checkpoints/manifest.ts'
import { imageSize } from './engines/session-spec.ts'
import type { ModelGraph } from './models/graph.ts'
import {
  imageDataOf,
  loadModel,
  openPredictor,
  type ImageSource,
  type Prediction,
  type PredictorRequest,
} from './predictor.ts'

/**
 * Any number of images, (N, C, H, W) of the model's input: pixels as bytes, which are normalised as in training, or
 * floats that already are.
 */
export type Images = Uint8Array | Float32Array

export interface PredictRequest extends PredictorRequest {
  images: Images
}

/**
 * Predictions in the order of the images. What an image gets does not depend on the images beside it.
 * @throws TrainqlError `CHECKPOINT_INVALID`; `INVALID_INPUT` for images that do not fit the model, whose size nobody
 * says, or whose logits are not finite; `ENGINE_UNAVAILABLE`, `OUT_OF_MEMORY`.
 */
export async function predict({ images, ...request }: PredictRequest): Promise<Prediction[]> {
  const model = await loadModel(request)
  const source = { count: countImages(images, model.graph), read: readerOf(images, model) }
  const predictor = await openPredictor(model, request)
  try {
    return await predictor.predict(source)
  } finally {
    await predictor.close()
  }
}

function readerOf(images: Images, { graph, manifest }: { graph: ModelGraph; manifest: Manifest }): ImageSource['read'] {
  const size = imageSize(graph)
  const part = <T extends Images>(all: T, first: number, count: number): T =>
    all.subarray(first * size, (first + count) * size) as T
  if (images instanceof Float32Array) return (first, count) => part(images, first, count)
  const { normalisation } = imageDataOf(manifest, 'Pass images as floats, normalised as in training.')
  const { mean, deviation } = normalisation
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
