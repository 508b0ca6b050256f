// Fills batches on this thread: the oracle of the native loader, and what runs where the addon is not built.
import { closeSync, openSync, readSync } from 'node:fs'
import { imageSize, type Dataset, type StoredImages } from '../datasets/dataset.ts'
import type { BatchFiller, FillerOptions } from './filler.ts'
import { levelsOf, placeImage, type Picture } from './pixels.ts'
import { drawPlacement, placementRules, plainPlacement } from './placement.ts'

export function createPlainFiller(dataset: Dataset, { seed, augmentation }: FillerOptions): BatchFiller {
  const { shape } = dataset
  const levels = levelsOf(dataset.normalisation)
  const rules = placementRules(augmentation)
  const readers = {
    train: openImages(dataset.train.images, shape),
    validation: openImages(dataset.validation.images, shape),
  }
  const size = imageSize(shape)
  return {
    concurrent: false,
    fill({ split, augmentedFor, indices, images }) {
      indices.forEach((index, row) => {
        const picture = readers[split].read(index)
        const sizes = { stored: picture.size, output: shape }
        const placement =
          augmentedFor === null
            ? plainPlacement(sizes.stored, sizes.output)
            : drawPlacement(rules, { seed, epoch: augmentedFor, index }, sizes)
        placeImage(picture, placement, { out: images.subarray(row * size, (row + 1) * size), shape, levels })
      })
      return Promise.resolve()
    },
    close() {
      readers.train.close()
      readers.validation.close()
    },
  }
}

interface ImageReader {
  read(index: number): Picture
  close(): void
}

/** Files are opened at the first read. */
function openImages(
  { source, offsets, heights, widths }: StoredImages,
  { channels }: { channels: number },
): ImageReader {
  let descriptor: number | null = null

  function bytesAt(offset: number, length: number): Uint8Array {
    if (source.kind === 'MEMORY') return source.bytes.subarray(offset, offset + length)
    descriptor ??= openSync(source.path, 'r')
    const bytes = new Uint8Array(length)
    const read = readSync(descriptor, bytes, 0, length, offset)
    if (read < length) throw new RangeError(`${source.path} ends at byte ${offset + read}`)
    return bytes
  }

  return {
    read(index) {
      const size = { height: heights[index] as number, width: widths[index] as number }
      return { bytes: bytesAt(offsets[index] as number, channels * size.height * size.width), size }
    },
    close() {
      if (descriptor !== null) closeSync(descriptor)
      descriptor = null
    },
  }
}
