// Which class is it? A checkpoint and image files in, the likeliest classes of each file out. A file is decoded and scaled as
// the validation images of the checkpoint's run were.
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { TrainqlError } from '../shared/errors.ts'
import type { Manifest } from './checkpoints/manifest.ts'
import { decodeImage, decodingProblem } from './datasets/cache/decode.ts'
import { imageSize, type ImageShape } from './datasets/dataset.ts'
import { levelsOf, placeImage, type Picture } from './input/pixels.ts'
import { plainPlacement } from './input/placement.ts'
import { imageDataOf, loadModel, openPredictor, type Prediction, type PredictorRequest } from './predictor.ts'

export interface PredictFilesRequest extends PredictorRequest {
  files: readonly string[]
}

/** What a file shows, or why it cannot be decoded. */
export type FilePrediction = { file: string; prediction: Prediction } | { file: string; problem: string }

/** Decoded side by side; what lies in memory does not grow with the number of files. */
const filesAtOnce = 256

/**
 * In the order of the files; one that cannot be decoded takes nothing from the others.
 * @throws TrainqlError `CHECKPOINT_INVALID` where the checkpoint does not say how its images were normalised, or takes
 * images of neither one channel nor three; `INVALID_INPUT`, `ENGINE_UNAVAILABLE`, `OUT_OF_MEMORY`
 */
export async function predictFiles({ files, ...request }: PredictFilesRequest): Promise<FilePrediction[]> {
  const model = await loadModel(request)
  const shape = model.graph.input
  checkChannels(shape)
  const data = imageDataOf(
    model.manifest,
    "Predict with a run's checkpoint: one that begins with this one, or published weights imported by their name.",
  )
  const predictor = await openPredictor(model, request)
  try {
    const all: FilePrediction[] = []
    for (let first = 0; first < files.length; first += filesAtOnce) {
      const decoded = await decodeAll(files.slice(first, first + filesAtOnce), { shape, margin: data.margin })
      const pictures = decoded.filter((file) => 'picture' in file)
      const predictions = await predictor.predict({
        count: pictures.length,
        read: readerOf(pictures, { shape, normalisation: data.normalisation }),
        nameOf: (index) => pictures[index]?.file ?? '',
      })
      const ofPicture = new Map(pictures.map(({ file }, index) => [file, predictions[index] ?? []]))
      for (const each of decoded) {
        all.push('problem' in each ? each : { file: each.file, prediction: ofPicture.get(each.file) ?? [] })
      }
    }
    return all
  } finally {
    await predictor.close()
  }
}

interface Looks {
  shape: ImageShape
  margin: boolean
}

interface DecodedFile {
  file: string
  picture: Picture
}

async function decodeAll(
  files: readonly string[],
  looks: Looks,
): Promise<(DecodedFile | { file: string; problem: string })[]> {
  const decoded: (DecodedFile | { file: string; problem: string })[] = []
  const atOnce = 2 * availableParallelism()
  for (let first = 0; first < files.length; first += atOnce) {
    const some = files.slice(first, first + atOnce)
    const found = await Promise.all(some.map((file) => decode(file, looks)))
    for (const [index, each] of found.entries()) {
      // The decoder has one list of complaints for all images under way: asked again alone, this one's are its own.
      decoded.push('problem' in each ? await decode(some[index] ?? '', looks) : each)
    }
  }
  return decoded
}

async function decode(
  file: string,
  { shape: { channels, height, width }, margin }: Looks,
): Promise<DecodedFile | { file: string; problem: string }> {
  try {
    const output = { height, width }
    const { planes, size } = await decodeImage(await readFile(file), { output, randomScale: margin }, 'validation')
    return { file, picture: { bytes: channels === 1 ? greyOf(planes) : planes, size } }
  } catch (error) {
    return { file, problem: decodingProblem(error) }
  }
}

/** (3, H, W) as (1, H, W), by the weights and the rounding of Pillow's convert('L'); grey stays as it is. */
function greyOf(planes: Uint8Array): Uint8Array {
  const plane = planes.length / 3
  const at = (channel: number, pixel: number): number => planes[channel * plane + pixel] ?? 0
  return Uint8Array.from(
    { length: plane },
    (_, pixel) => (19595 * at(0, pixel) + 38470 * at(1, pixel) + 7471 * at(2, pixel) + 0x8000) >> 16,
  )
}

function readerOf(
  pictures: readonly DecodedFile[],
  { shape, normalisation }: { shape: ImageShape; normalisation: NonNullable<Manifest['data']>['normalisation'] },
): (first: number, count: number) => Float32Array {
  const size = imageSize(shape)
  const levels = levelsOf(normalisation)
  return (first, count) => {
    const images = new Float32Array(count * size)
    pictures.slice(first, first + count).forEach(({ picture }, row) => {
      const out = images.subarray(row * size, (row + 1) * size)
      placeImage(picture, plainPlacement(picture.size, shape), { out, shape, levels })
    })
    return images
  }
}

function checkChannels({ channels }: ImageShape): void {
  if (channels === 1 || channels === 3) return
  throw new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `Expected a model of images with 1 or 3 channels, as image files have; this one takes ${channels}.`,
    fix: 'Predict with a model that takes grey or colour images.',
  })
}
