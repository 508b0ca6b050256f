// Reads IDX files (the format of MNIST and Fashion-MNIST), gzip-compressed or not.
// Format: http://yann.lecun.com/exdb/mnist/ : big-endian magic 0x0000TTDD (type, dimensions), one 32-bit size per
// dimension, then the values. Images are (N, H, W) of unsigned bytes, labels (N).
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { TrainqlError } from '../../shared/errors.ts'
import { normalisationOf, splitInMemory, type Dataset } from './dataset.ts'

const imagesMagic = 0x00000803
const labelsMagic = 0x00000801
/** More than any IDX dataset in use holds; keeps a crafted gzip file from filling the memory. */
const maxFileBytes = 2 ** 31

export interface IdxOptions {
  name: string
  /** Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-…`, each with `.gz` or without. */
  folder: string
  classes: readonly string[]
}

/** @throws TrainqlError `DATASET_INVALID` naming file, offset (in the uncompressed data), expected and found. */
export function readIdxDataset({ name, folder, classes }: IdxOptions): Dataset {
  const train = readSplit(folder, 'train', classes.length)
  const validation = readSplit(folder, 't10k', classes.length)
  if (train.height !== validation.height || train.width !== validation.width) {
    throw invalid({
      file: validation.file,
      offset: 8,
      expected: `images of ${train.height}x${train.width} as in ${basename(train.file)}`,
      found: `${validation.height}x${validation.width}`,
    })
  }
  const shape = { channels: 1, height: train.height, width: train.width }
  return {
    name,
    shape,
    classes,
    train: splitInMemory(train.images, train.labels, shape),
    validation: splitInMemory(validation.images, validation.labels, shape),
    normalisation: normalisationOf(train.images, shape),
    skipped: [],
  }
}

interface ReadSplit {
  file: string
  height: number
  width: number
  /** (N, H, W) */
  images: Uint8Array
  labels: Uint16Array
}

function readSplit(folder: string, prefix: string, classes: number): ReadSplit {
  const images = readIdx(findIdxFile(folder, `${prefix}-images-idx3-ubyte`), imagesMagic)
  const labels = readIdx(findIdxFile(folder, `${prefix}-labels-idx1-ubyte`), labelsMagic)
  const [count = 0, height = 0, width = 0] = images.sizes
  for (const [index, size] of images.sizes.entries()) {
    if (size > 0) continue
    const what = ['image', 'row', 'column'][index] ?? 'value'
    throw invalid({ file: images.file, offset: 4 + 4 * index, expected: `at least one ${what}`, found: '0' })
  }
  if (labels.sizes[0] !== count) {
    throw invalid({
      file: labels.file,
      offset: 4,
      expected: `${count} labels, one for each image of ${basename(images.file)}`,
      found: `${labels.sizes[0]}`,
    })
  }
  const outside = labels.values.findIndex((label) => label >= classes)
  if (outside !== -1) {
    throw invalid({
      file: labels.file,
      offset: labels.headerBytes + outside,
      expected: `a label from 0 to ${classes - 1}`,
      found: `${labels.values[outside]}`,
    })
  }
  return { file: images.file, height, width, images: images.values, labels: Uint16Array.from(labels.values) }
}

interface IdxFile {
  file: string
  sizes: number[]
  headerBytes: number
  values: Uint8Array
}

function readIdx(file: string, magic: number): IdxFile {
  const bytes = readUncompressed(file)
  const dimensions = magic & 0xff
  const headerBytes = 4 + 4 * dimensions
  if (bytes.length < headerBytes) {
    throw invalid({
      file,
      offset: bytes.length,
      expected: `a header of ${headerBytes} bytes`,
      found: `end of file after ${bytes.length}`,
    })
  }
  const found = bytes.readUInt32BE(0)
  if (found !== magic) {
    throw invalid({ file, offset: 0, expected: `magic number ${hex(magic)}`, found: hex(found) })
  }
  const sizes = Array.from({ length: dimensions }, (_, index) => bytes.readUInt32BE(4 + 4 * index))
  // Crafted sizes may multiply beyond 2^53.
  const expectedBytes = sizes.reduce((product, size) => product * BigInt(size), 1n) + BigInt(headerBytes)
  if (bytes.length < expectedBytes) {
    throw invalid({
      file,
      offset: bytes.length,
      expected: `${expectedBytes} bytes for ${sizes.join(' x ')} values`,
      found: `end of file after ${bytes.length}`,
    })
  }
  if (bytes.length > expectedBytes) {
    throw invalid({
      file,
      offset: Number(expectedBytes),
      expected: `end of file after ${sizes.join(' x ')} values`,
      found: `${BigInt(bytes.length) - expectedBytes} more bytes`,
    })
  }
  return { file, sizes, headerBytes, values: bytes.subarray(headerBytes) }
}

/** The file itself or its `.gz`; the uncompressed one where both are there. */
function findIdxFile(folder: string, name: string): string {
  const candidates = [join(folder, name), join(folder, `${name}.gz`)]
  const file = candidates.find((candidate) => existsSync(candidate))
  if (file !== undefined) return file
  throw new TrainqlError({
    code: 'DATASET_INVALID',
    message: `${join(folder, name)}: expected this file, or ${name}.gz beside it; found neither.`,
    fix: `Put ${name} or ${name}.gz into ${folder}.`,
  })
}

function readUncompressed(file: string): Buffer {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    throw invalid({ file, offset: 0, expected: 'a readable file', found }, error)
  }
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b
  if (!isGzip) return bytes
  try {
    return gunzipSync(bytes, { maxOutputLength: maxFileBytes })
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    throw invalid({ file, offset: 0, expected: 'a whole gzip stream', found }, error)
  }
}

interface Discrepancy {
  file: string
  /** Byte offset in the uncompressed data. */
  offset: number
  expected: string
  found: string
}

function invalid({ file, offset, expected, found }: Discrepancy, cause?: unknown): TrainqlError {
  return new TrainqlError(
    {
      code: 'DATASET_INVALID',
      message: `${file}: at byte ${offset} expected ${expected}; found ${found}.`,
      fix: `Replace ${basename(file)} with an undamaged copy.`,
    },
    { cause },
  )
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
