// How a tensor file gives its tensors: one by one, or a whole model at once.
import { endianness } from 'node:os'
import { elementCount } from '../../models/parameters.ts'
import { checkCrc32, type ByteRun } from './byte-run.ts'
import type { FileBytes } from './file-bytes.ts'
import type { FileTensor, TensorFile } from './tensor-file.ts'
import { createReadLimits, isContiguous, readTensorValues, type TensorPlace } from './tensor-values.ts'

export type PlaceOf = (tensor: FileTensor) => TensorPlace

/** @throws TrainqlError `CHECKPOINT_INVALID` from what it gives. */
export function tensorReaders(file: FileBytes, placeOf: PlaceOf): Pick<TensorFile, 'readFloats' | 'readAll'> {
  const limits = createReadLimits(file.what, file.bytes)
  const readFloats = async (tensor: FileTensor) => readTensorValues(tensor, placeOf(tensor), limits)
  return {
    readFloats,
    async readAll(tensors) {
      const values: Float32Array[] = []
      const together = findTogether(tensors, placeOf)
      await readStretches(file, together, (index, floats) => (values[index] = floats))
      for (const [index, tensor] of tensors.entries()) values[index] ??= await readFloats(tensor)
      return values
    },
  }
}

/** A tensor whose bytes in the file are its values in memory. */
interface Plain {
  index: number
  run: ByteRun
  at: number
  bytes: number
}

/** Neighbours in the file, read into one piece of memory. */
interface Stretch {
  at: number
  end: number
  tensors: Plain[]
}

/** Between two records of PyTorch lie their headers, and the padding that aligns them. */
const widestGap = 1024
/** Stretches are cut here, so that one can be checked while others are read. */
const stretchBytes = 4 * 1024 * 1024
const atOnce = 3
const alignment = Float32Array.BYTES_PER_ELEMENT

function findTogether(tensors: readonly FileTensor[], placeOf: PlaceOf): Stretch[] {
  const plain = tensors.flatMap((tensor, index): Plain[] => {
    if (tensor.dtype !== 'F32' || !isContiguous(tensor)) return []
    const { run, byteOffset, byteOrder } = placeOf(tensor)
    const bytes = elementCount(tensor.shape) * alignment
    if (run.at === null || byteOrder !== endianness() || bytes === 0) return []
    return [{ index, run, at: run.at + byteOffset + tensor.offset * alignment, bytes }]
  })
  plain.sort((a, b) => a.at - b.at)
  const stretches: Stretch[] = []
  for (const next of plain) {
    const last = stretches.at(-1)
    // Two tensors of the same bytes get memory of their own, and so does what is not aligned behind the others.
    if (last !== undefined && next.at < last.end) continue
    if (
      last === undefined ||
      next.at - last.end > widestGap ||
      last.end - last.at >= stretchBytes ||
      (next.at - last.at) % alignment !== 0
    )
      stretches.push({ at: next.at, end: next.at + next.bytes, tensors: [next] })
    else {
      last.tensors.push(next)
      last.end = next.at + next.bytes
    }
  }
  return stretches
}

async function readStretches(
  file: FileBytes,
  stretches: readonly Stretch[],
  onRead: (index: number, floats: Float32Array) => void,
): Promise<void> {
  // One piece of memory: V8 looks for garbage at every few that are added.
  const memory = new ArrayBuffer(stretches.reduce((sum, stretch) => sum + lengthOf(stretch), 0))
  const waiting = stretches[Symbol.iterator]()
  let used = 0
  const readOn = async (): Promise<void> => {
    for (const stretch of waiting) {
      const begin = used
      used += lengthOf(stretch)
      await file.read(new Uint8Array(memory, begin, stretch.end - stretch.at), stretch.at)
      for (const { index, run, at, bytes } of stretch.tensors) {
        const offset = begin + at - stretch.at
        checkCrc32(run, new Uint8Array(memory, offset, bytes), file.what)
        onRead(index, new Float32Array(memory, offset, bytes / alignment))
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, readOn))
}

/** In memory: the next one is aligned too. */
function lengthOf({ at, end }: Stretch): number {
  return Math.ceil((end - at) / alignment) * alignment
}
