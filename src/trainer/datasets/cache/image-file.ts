// The file that a decoded image set is kept in, laid out to be mapped: pixels first, then where each image lies, then what
// there is to know of the set.
//
//   0      magic
//   16     uint64: where the tables begin; uint64: where the description begins; uint64: length of the file
//   64     pixels of every image (C, H, W), one behind the other
//   …      tables of the training, then the validation images: float64 offsets, uint32 heights, uint32 widths,
//          uint16 labels, each table on a multiple of 8
//   …      description: JSON
//
// Numbers are little-endian.
import { closeSync, fsyncSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { z } from 'zod'
import { TrainqlError } from '../../../shared/errors.ts'
import type { Size } from '../../input/placement.ts'
import type { Split, StoredImages } from '../dataset.ts'
import type { DecodedImage } from './decode.ts'

const magic = 'TRAINQL IMAGES1\n'
const headerBytes = 64
const splitNames = ['train', 'validation'] as const
export type SplitName = (typeof splitNames)[number]

const count = z.number().int().min(0)
const descriptionSchema = z.object({
  /** Hash of the source and of how it was decoded. */
  key: z.string(),
  shape: z.object({ channels: count, height: count, width: count }),
  classes: z.array(z.string()),
  images: z.object({ train: count, validation: count }),
  normalisation: z.object({ mean: z.array(z.number()), deviation: z.array(z.number()) }),
  corrupt: z.array(z.object({ file: z.string(), reason: z.string() })),
})
export type ImageSetDescription = z.output<typeof descriptionSchema>

export interface ImageSet {
  description: ImageSetDescription
  train: Split
  validation: Split
}

export interface ImageFileWriter {
  add(split: SplitName, image: DecodedImage, label: number): void
  /** Writes tables and description, and returns once all of it is on the disk. */
  finish(description: Omit<ImageSetDescription, 'images'>): void
  /** Closes the file, finished or not. */
  close(): void
}

interface Table {
  offsets: number[]
  heights: number[]
  widths: number[]
  labels: number[]
}

export function createImageFile(file: string): ImageFileWriter {
  const descriptor = openSync(file, 'wx')
  const tables: Record<SplitName, Table> = { train: emptyTable(), validation: emptyTable() }
  let at = headerBytes

  function write(bytes: Uint8Array): void {
    for (let written = 0; written < bytes.length;) {
      written += writeSync(descriptor, bytes, written, bytes.length - written, at + written)
    }
    at += bytes.length
  }

  return {
    add(split, { planes, size }, label) {
      const table = tables[split]
      table.offsets.push(at)
      table.heights.push(size.height)
      table.widths.push(size.width)
      table.labels.push(label)
      write(planes)
    },
    finish(description) {
      at = Math.ceil(at / 8) * 8
      const tablesAt = at
      for (const name of splitNames) {
        const { offsets, heights, widths, labels } = tables[name]
        const arrays = [
          Float64Array.from(offsets),
          Uint32Array.from(heights),
          Uint32Array.from(widths),
          Uint16Array.from(labels),
        ]
        for (const array of arrays) {
          write(new Uint8Array(array.buffer))
          at = Math.ceil(at / 8) * 8
        }
      }
      const descriptionAt = at
      const images = { train: tables.train.offsets.length, validation: tables.validation.offsets.length }
      write(Buffer.from(JSON.stringify({ ...description, images } satisfies ImageSetDescription)))
      const header = Buffer.alloc(headerBytes)
      header.write(magic, 'latin1')
      ;[tablesAt, descriptionAt, at].forEach((value, index) => header.writeBigUInt64LE(BigInt(value), 16 + 8 * index))
      at = 0
      write(header)
      fsyncSync(descriptor)
    },
    close: () => closeSync(descriptor),
  }
}

function emptyTable(): Table {
  return { offsets: [], heights: [], widths: [], labels: [] }
}

/** @throws TrainqlError `DATASET_INVALID` where the file is not whole. */
export function readImageFile(file: string): ImageSet {
  const descriptor = openSync(file, 'r')
  try {
    return readFrom(file, descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function readFrom(file: string, descriptor: number): ImageSet {
  const fileBytes = statSync(file).size
  const header = readRange(descriptor, 0, Math.min(headerBytes, fileBytes))
  if (header.length < headerBytes || header.toString('latin1', 0, magic.length) !== magic) {
    throw damaged(file, 'the header of a decoded image set')
  }
  const [tablesAt, descriptionAt, length] = [0, 1, 2].map((index) =>
    Number(header.readBigUInt64LE(16 + 8 * index)),
  ) as [number, number, number]
  const inOrder = tablesAt >= headerBytes && descriptionAt >= tablesAt && length >= descriptionAt
  if (!inOrder || length !== fileBytes) throw damaged(file, `${length} bytes`)
  const description = parseDescription(file, readRange(descriptor, descriptionAt, length - descriptionAt))
  const tables = readRange(descriptor, tablesAt, descriptionAt - tablesAt)
  let at = 0

  function take(bytes: number): ArrayBuffer {
    const { byteOffset } = tables
    if (at + bytes > tables.length) throw damaged(file, 'tables of all its images')
    const taken = tables.buffer.slice(byteOffset + at, byteOffset + at + bytes)
    at = Math.ceil((at + bytes) / 8) * 8
    return taken
  }

  function takeSplit(images: number): Split {
    const split = {
      count: images,
      images: {
        source: { kind: 'FILE' as const, path: file },
        offsets: new Float64Array(take(images * 8)),
        heights: new Uint32Array(take(images * 4)),
        widths: new Uint32Array(take(images * 4)),
      },
      labels: new Uint16Array(take(images * 2)),
    }
    const sound =
      split.labels.every((label) => label < description.classes.length) &&
      liesWithin(split.images, { channels: description.shape.channels, end: tablesAt })
    if (!sound) throw damaged(file, 'tables that stay within it')
    return split
  }

  return {
    description,
    train: takeSplit(description.images.train),
    validation: takeSplit(description.images.validation),
  }
}

function parseDescription(file: string, bytes: Buffer): ImageSetDescription {
  try {
    return descriptionSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    throw damaged(file, 'a description of the set', error)
  }
}

function liesWithin(
  { offsets, heights, widths }: StoredImages,
  { channels, end }: { channels: number; end: number },
): boolean {
  return offsets.every((offset, index) => {
    const size: Size = { height: heights[index] as number, width: widths[index] as number }
    const bytes = channels * size.height * size.width
    return Number.isSafeInteger(offset) && bytes > 0 && offset >= headerBytes && offset + bytes <= end
  })
}

function readRange(descriptor: number, start: number, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length)
  for (let read = 0; read < length;) {
    const got = readSync(descriptor, bytes, read, length - read, start + read)
    if (got === 0) return bytes.subarray(0, read)
    read += got
  }
  return bytes
}

function damaged(file: string, expected: string, cause?: unknown): TrainqlError {
  return new TrainqlError(
    {
      code: 'DATASET_INVALID',
      message: `${file}: expected ${expected}; the file is damaged, or of another version.`,
      fix: 'Delete it; the next run decodes the images again.',
    },
    { cause },
  )
}
