// Decodes every image of a folder into one file.
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { invalidDataset } from '../../../shared/datasets/dataset-info.ts'
import type { ImageFile, ImageFolder } from '../../../shared/datasets/image-folder.ts'
import { invalidInput } from '../../../shared/errors.ts'
import type { Size } from '../../input/placement.ts'
import { countLevels, type CorruptImage } from '../dataset.ts'
import { decodeImage, decodingProblem, type DecodedImage, type Geometry } from './decode.ts'
import { createImageFile, type SplitName } from './image-file.ts'
import { contentKey, filesOf, hashBytes } from './source-key.ts'

export interface BuildRequest {
  name: string
  folder: string
  listing: ImageFolder
  geometry: Geometry
  /** What to write; it must not exist. */
  file: string
  stop: AbortSignal
  onProgress: (progress: BuildProgress) => void
}

export interface BuildProgress {
  done: number
  total: number
  corrupt: number
}

const channels = 3

/**
 * Returns the key of the contents that were decoded, once the file is on the disk.
 * @throws TrainqlError `INVALID_INPUT` where sizes differ and none is asked for, `DATASET_INVALID` where nothing is left
 */
export async function buildImageFile({
  name,
  folder,
  listing,
  geometry,
  file,
  stop,
  onProgress,
}: BuildRequest): Promise<string> {
  const files = filesOf(listing)
  const corrupt: CorruptImage[] = []
  const hashes: string[] = []
  const levels = countLevels(channels)
  const kept: Record<SplitName, number> = { train: 0, validation: 0 }
  let first: { path: string; size: Size } | null = null
  const writer = createImageFile(file)
  try {
    const inFlight = 2 * availableParallelism() + 4
    for await (const { item, split, hash, outcome } of decodeInOrder({ files, listing, folder, geometry, inFlight })) {
      stop.throwIfAborted()
      hashes.push(hash)
      if ('reason' in outcome) corrupt.push({ file: item.path, reason: outcome.reason })
      else {
        first ??= { path: item.path, size: outcome.size }
        if (geometry.output === null) checkSize(first, { path: item.path, size: outcome.size })
        if (split === 'train') levels.add(outcome.planes, outcome.size.height * outcome.size.width)
        writer.add(split, outcome, item.label)
        kept[split] += 1
      }
      onProgress({ done: hashes.length, total: files.length, corrupt: corrupt.length })
    }
    if (first === null || kept.train === 0 || kept.validation === 0) throw nothingLeft({ name, corrupt })
    const key = contentKey(listing, hashes, geometry)
    const shape = { channels, ...(geometry.output ?? first.size) }
    writer.finish({ key, shape, classes: listing.classes, normalisation: levels.normalisation(), corrupt })
    return key
  } finally {
    writer.close()
  }
}

interface DecodeRequest {
  files: readonly ImageFile[]
  listing: ImageFolder
  folder: string
  geometry: Geometry
  /** Images that are decoded at once, on the threads of the decoder. */
  inFlight: number
}

interface Decoded {
  item: ImageFile
  split: SplitName
  hash: string
  outcome: DecodedImage | { reason: string }
}

/** In the order of the files, whichever is ready first, so that the same files give the same bytes. */
async function* decodeInOrder({ files, listing, folder, geometry, inFlight }: DecodeRequest): AsyncGenerator<Decoded> {
  const underWay: Promise<Decoded>[] = []

  async function decode(item: ImageFile, index: number): Promise<Decoded> {
    const split = index < listing.train.length ? 'train' : 'validation'
    let bytes: Buffer | null = null
    try {
      bytes = await readFile(join(folder, item.path))
      return { item, split, hash: hashBytes(bytes), outcome: await decodeImage(bytes, geometry, split) }
    } catch (error) {
      return { item, split, hash: hashBytes(bytes), outcome: { reason: decodingProblem(error) } }
    }
  }

  let next = 0
  while (next < files.length || underWay.length > 0) {
    for (; next < files.length && underWay.length < inFlight; next += 1) {
      underWay.push(decode(files[next] as ImageFile, next))
    }
    const index = next - underWay.length
    const decoded = await (underWay.shift() as Promise<Decoded>)
    if ('reason' in decoded.outcome) {
      // The decoder has one list of complaints for all images under way: asked again alone, this one's are its own.
      await Promise.all(underWay)
      yield await decode(decoded.item, index)
    } else yield decoded
  }
}

interface Sized {
  path: string
  size: Size
}

function checkSize(first: Sized, other: Sized): void {
  const [expected, found] = [first, other].map(({ size: { height, width } }) => `${height}x${width}`)
  if (expected === found) return
  throw invalidInput({
    field: 'imageSize',
    message: `Expected images of one size (height x width) where imageSize is not given; ${first.path} is ${expected}, ${other.path} is ${found}.`,
    fix: 'Give imageSize, such as 224x224: every image is then scaled to it, and what stands over is cut off.',
  })
}

function nothingLeft({ name, corrupt }: { name: string; corrupt: readonly CorruptImage[] }): Error {
  const [{ file, reason } = { file: '', reason: '' }] = corrupt
  return invalidDataset({
    message: `${name}: expected training and validation images that can be decoded; ${corrupt.length} cannot, such as ${file}: ${reason}.`,
    fix: 'Replace the files by undamaged ones.',
  })
}
