// Opens a safetensors file: its header at once, its tensors when they are asked for.
import { headerLengthBytes, parseHeader, parseHeaderLength } from '../safetensors.ts'
import { storedRun } from './byte-run.ts'
import type { FileBytes } from './file-bytes.ts'
import { bytesPerElement } from './dtypes.ts'
import type { FileStorage, FileTensor, FileValue, TensorFile } from './tensor-file.ts'
import { tensorReaders } from './tensor-readers.ts'
import { rowMajorStrides, type TensorPlace } from './tensor-values.ts'

/** @throws TrainqlError `CHECKPOINT_INVALID` */
export async function readSafetensors(file: FileBytes): Promise<TensorFile> {
  const first = Buffer.alloc(Math.min(headerLengthBytes, file.bytes))
  await file.read(first, 0)
  const header = Buffer.alloc(parseHeaderLength(first, file.bytes, file.what))
  await file.read(header, headerLengthBytes)
  const dataAt = headerLengthBytes + header.length
  const { tensors, metadata } = parseHeader(header, file.bytes - dataAt, file.what)

  const begins = new Map<FileStorage, number>()
  const entries = new Map<FileValue, FileValue>()
  for (const [key, { dtype, shape, begin, end }] of tensors) {
    const storage: FileStorage = { key, dtype, elements: (end - begin) / bytesPerElement[dtype], device: 'cpu' }
    begins.set(storage, begin)
    const tensor: FileTensor = { kind: 'tensor', dtype, shape, strides: rowMajorStrides(shape), offset: 0, storage }
    entries.set(key, tensor)
  }
  const run = storedRun(file, dataAt, { bytes: file.bytes - dataAt, crc32: null })
  const placeOf = ({ storage }: FileTensor): TensorPlace => {
    const byteOffset = begins.get(storage)
    if (byteOffset === undefined) throw new Error(`tensor ${storage.key} is of another file`)
    return { run, byteOffset, byteOrder: 'LE' }
  }
  return {
    format: 'SAFETENSORS',
    root: { kind: 'dict', entries },
    metadata,
    bytes: file.bytes,
    ...tensorReaders(file, placeOf),
    close: () => file.close(),
  }
}
