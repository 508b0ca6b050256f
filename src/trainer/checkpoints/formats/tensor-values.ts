// From a tensor's place in a file to its values: read, widened to fp32 a piece at a time, strides followed.
import { endianness } from 'node:os'
import { checkCrc32, type ByteRun, type RunReader } from './byte-run.ts'
import { bytesPerElement, toNumbers } from './dtypes.ts'
import { invalidFile } from './file-bytes.ts'
import type { FileDtype, FileTensor } from './tensor-file.ts'

export interface TensorPlace {
  run: ByteRun
  /** Where the tensor's storage begins in the run. */
  byteOffset: number
  /** Of the run's elements. */
  byteOrder: 'LE' | 'BE'
}

/** What is read beyond a tensor's own bytes, and what values may take in memory, over the life of a file. */
export interface ReadLimits {
  what: string
  memoryBytes: number
  /** Left of what may be read in vain. */
  waste: number
}

export function createReadLimits(what: string, fileBytes: number): ReadLimits {
  const memoryBytes = Math.max(4 * fileBytes, 48 * 1024 * 1024)
  return { what, memoryBytes, waste: 16 * memoryBytes }
}

const pieceBytes = 1024 * 1024
/** A view that repeats its elements may have as many as this though its storage has fewer. */
const mostRepeated = 4 * 1024 * 1024
const mostDimensions = 64

/**
 * @returns why no view can be like that; null where it lies within a storage of so many elements.
 */
export function findViewFault(
  { shape, strides, offset }: Omit<FileTensor, 'kind' | 'dtype' | 'storage'>,
  elements: number,
): string | null {
  if (shape.length > mostDimensions) return `${shape.length} dimensions`
  if (shape.length !== strides.length) return `${shape.length} sizes with ${strides.length} strides`
  const counts = [...shape, ...strides, offset]
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0))
    return `sizes, strides and an offset that are no counts`
  const { count, span } = extentOf({ shape, strides })
  if (count > Math.max(elements, mostRepeated)) return `${count} elements over a storage of ${elements}`
  if (count > 0 && offset + span > elements) return `elements up to ${offset + span} of a storage of ${elements}`
  return null
}

/** Elements of a view, and how far they reach in the storage; doubles do for comparing, whatever the sizes. */
function extentOf({ shape, strides }: Pick<FileTensor, 'shape' | 'strides'>): { count: number; span: number } {
  if (shape.includes(0)) return { count: 0, span: 0 }
  let count = 1
  let last = 0
  for (const [axis, size] of shape.entries()) {
    count *= size
    last += (size - 1) * (strides[axis] as number)
  }
  return { count, span: last + 1 }
}

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export async function readTensorValues(
  tensor: FileTensor,
  place: TensorPlace,
  limits: ReadLimits,
): Promise<Float32Array> {
  const { count, span } = extentOf(tensor)
  if (count === 0) return new Float32Array(0)
  const size = bytesPerElement[tensor.dtype]
  const contiguous = isContiguous(tensor)
  const vain = Math.max(0, span - count) * size + place.run.costOf(place.byteOffset + tensor.offset * size)
  limits.waste -= vain
  const needed = 4 * (contiguous ? count : count + span)
  if (limits.waste < 0 || needed > limits.memoryBytes)
    throw invalidFile(limits.what, 'tensors that take what their file has', 'views that take many times as much')
  const values = await readSpan(tensor, { ...place, span }, limits.what)
  return contiguous ? values : gather(values, tensor, count)
}

/** Elements from the tensor's first to its last in the storage. */
async function readSpan(
  { dtype, offset }: FileTensor,
  { run, byteOffset, byteOrder, span }: TensorPlace & { span: number },
  what: string,
): Promise<Float32Array> {
  const size = bytesPerElement[dtype]
  const values = new Float32Array(span)
  const reader = run.open(byteOffset + offset * size)
  try {
    if (dtype === 'F32' && byteOrder === endianness()) {
      const bytes = new Uint8Array(values.buffer)
      await reader.fill(bytes)
      checkCrc32(run, bytes, what)
    } else await readWidened(values, reader, { dtype, swap: byteOrder !== endianness() })
    return values
  } finally {
    reader.close()
  }
}

async function readWidened(
  values: Float32Array,
  reader: RunReader,
  { dtype, swap }: { dtype: FileDtype; swap: boolean },
): Promise<void> {
  const size = bytesPerElement[dtype]
  const raw = new ArrayBuffer(Math.min(pieceBytes, values.length * size))
  for (let done = 0; done < values.length;) {
    const count = Math.min(raw.byteLength / size, values.length - done)
    const piece = Buffer.from(raw, 0, count * size)
    await reader.fill(piece)
    if (swap) swapBytes(piece, size)
    values.set(toNumbers(dtype, raw, count), done)
    done += count
  }
}

function swapBytes(piece: Buffer, size: number): void {
  if (size === 2) piece.swap16()
  else if (size === 4) piece.swap32()
  else if (size === 8) piece.swap64()
}

/** Row-major without gaps; strides of axes with one element mean nothing. */
export function isContiguous({ shape, strides }: Pick<FileTensor, 'shape' | 'strides'>): boolean {
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const size = shape[axis] as number
    if (size !== 1 && strides[axis] !== expected) return false
    expected *= size
  }
  return true
}

export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides: number[] = []
  let stride = 1
  for (const size of shape.toReversed()) {
    strides.unshift(stride)
    stride *= size
  }
  return strides
}

/** The view's elements in row-major order, out of those from its first to its last. */
function gather(values: Float32Array, { shape, strides }: FileTensor, count: number): Float32Array {
  const out = new Float32Array(count)
  const axes = shape.length
  const inner = shape[axes - 1] ?? 1
  const innerStride = strides[axes - 1] ?? 0
  const index = Array.from({ length: axes }, () => 0)
  let from = 0
  for (let at = 0; at < count;) {
    for (let step = 0, source = from; step < inner; step += 1, source += innerStride) {
      out[at] = values[source] as number
      at += 1
    }
    // On to the next row: the last axis but one counts up, and carries.
    for (let axis = axes - 2; axis >= 0; axis -= 1) {
      index[axis] = (index[axis] as number) + 1
      from += strides[axis] as number
      if ((index[axis] as number) < (shape[axis] as number)) break
      from -= (index[axis] as number) * (strides[axis] as number)
      index[axis] = 0
    }
  }
  return out
}
