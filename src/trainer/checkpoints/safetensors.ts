// Reads and writes safetensors files: 8 bytes of header length, a JSON header, then the tensors' bytes.
// Format: https://huggingface.co/docs/safetensors, "Format". Little-endian throughout.
import { isTrainqlError, type TrainqlError } from '../../shared/errors.ts'
import { elementCount } from '../models/parameters.ts'
import { bytesPerElement } from './formats/dtypes.ts'
import { invalidFile } from './formats/file-bytes.ts'
import type { FileDtype } from './formats/tensor-file.ts'
import { scanHeader } from './safetensors-header.ts'

export type Dtype = FileDtype

export interface RawTensor {
  dtype: Dtype
  shape: readonly number[]
  /** Row-major, little-endian. */
  bytes: Uint8Array
}

export interface SafetensorsFile {
  tensors: Map<string, RawTensor>
  metadata: Record<string, string>
}

/** As the reference implementation: more is no header but an attack. */
const maxHeaderBytes = 100_000_000

/** The file in pieces to be written one after another: header, then each tensor's bytes (not copied). */
export function encodeSafetensors({ tensors, metadata }: SafetensorsFile): Uint8Array[] {
  const { header, ordered } = layOutSafetensors(tensors, metadata)
  return [header, ...ordered.map(([, { bytes }]) => bytes)]
}

/**
 * The header, and the order in which the tensors' bytes are to follow it. Tensors of wider elements come first, as the
 * reference writer puts them, so that every tensor is aligned; else the given order stays.
 */
export function layOutSafetensors<T extends Pick<RawTensor, 'dtype' | 'shape'>>(
  tensors: Iterable<[string, T]>,
  metadata: Readonly<Record<string, string>>,
): { header: Buffer; ordered: [string, T][] } {
  const ordered = [...tensors].sort(([, a], [, b]) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype])
  let end = 0
  const entries = ordered.map(([name, { dtype, shape }]): [string, unknown] => {
    const begin = end
    end += elementCount(shape) * bytesPerElement[dtype]
    return [name, { dtype, shape, data_offsets: [begin, end] }]
  })
  if (Object.keys(metadata).length > 0) entries.unshift(['__metadata__', metadata])
  // fromEntries defines what assignment would not: a tensor may be named __proto__.
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  return { header, ordered }
}

/** The 8 bytes before the header. */
export const headerLengthBytes = 8

/** What the header says of a tensor: its bytes are `begin` to `end` of those behind the header. */
export interface TensorEntry {
  dtype: Dtype
  shape: readonly number[]
  begin: number
  end: number
}

export interface SafetensorsHeader {
  /** In the header's order. */
  tensors: Map<string, TensorEntry>
  metadata: Record<string, string>
}

/**
 * @param first the file's first 8 bytes, or as many as there are.
 * @param what names the file in errors.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export function parseHeaderLength(first: Uint8Array, fileBytes: number, what: string): number {
  if (first.length < headerLengthBytes)
    throw invalid(what, `at least 8 bytes of header length`, `${first.length} bytes`)
  const length = Buffer.from(first.buffer, first.byteOffset, first.byteLength).readBigUInt64LE()
  const most = Math.min(maxHeaderBytes, fileBytes - headerLengthBytes)
  if (length > BigInt(most)) throw invalid(what, `a header of at most ${most} bytes`, `length ${length}`)
  return Number(length)
}

/**
 * Reads a header strictly: tensors must follow one another without gap or overlap and fill the `dataBytes` behind it.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export function parseHeader(header: Uint8Array, dataBytes: number, what: string): SafetensorsHeader {
  const { entries, metadata } = parseJson(header, what)
  const tensors = new Map(
    entries.map(([name, entry]) => {
      const parsed = parseEntry(name, entry, what)
      if (parsed.end > dataBytes)
        throw invalid(
          what,
          `tensor "${name}" within ${dataBytes} data bytes`,
          `offsets ${parsed.begin} to ${parsed.end}`,
        )
      return [name, parsed]
    }),
  )
  let covered = 0
  for (const [name, { begin, end }] of inFileOrder(tensors)) {
    if (begin !== covered)
      throw invalid(what, `tensor "${name}" to begin at ${covered}, where the one before ends`, `${begin}`)
    covered = end
  }
  if (covered !== dataBytes) throw invalid(what, `${covered} data bytes, the sum of the tensors`, `${dataBytes}`)
  return { tensors, metadata }
}

export function inFileOrder(tensors: ReadonlyMap<string, TensorEntry>): [string, TensorEntry][] {
  return [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)
}

/**
 * A whole file at once; the bytes returned are views of it.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export function decodeSafetensors(file: Uint8Array, what: string): SafetensorsFile {
  const start = headerLengthBytes + parseHeaderLength(file.subarray(0, headerLengthBytes), file.length, what)
  const data = file.subarray(start)
  const { tensors, metadata } = parseHeader(file.subarray(headerLengthBytes, start), data.length, what)
  return {
    tensors: new Map(
      [...tensors].map(([name, { dtype, shape, begin, end }]) => [
        name,
        { dtype, shape, bytes: data.subarray(begin, end) },
      ]),
    ),
    metadata,
  }
}

function parseJson(
  header: Uint8Array,
  what: string,
): { entries: [string, unknown][]; metadata: Record<string, string> } {
  let text: string
  let parsed: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header)
    if (text.startsWith('{')) scanHeader(text, what)
    parsed = JSON.parse(text)
  } catch (error) {
    if (isTrainqlError(error)) throw error
    throw invalid(what, 'a JSON header', error instanceof Error ? error.message : String(error))
  }
  if (!text.startsWith('{') || !isRecord(parsed))
    throw invalid(what, 'a header that begins with "{"', JSON.stringify(text[0] ?? ''))
  const { __metadata__: metadata = {}, ...tensors } = parsed
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw invalid(what, '__metadata__ of strings', shownJson(metadata))
  }
  return { entries: Object.entries(tensors), metadata: metadata as Record<string, string> }
}

function parseEntry(name: string, entry: unknown, what: string): TensorEntry {
  if (!isRecord(entry)) throw invalid(what, `an object for tensor "${name}"`, shownJson(entry))
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(bytesPerElement, dtype)) {
    throw invalid(what, `a dtype of ${Object.keys(bytesPerElement).join(', ')} for tensor "${name}"`, shownJson(dtype))
  }
  if (!isListOfCounts(shape)) throw invalid(what, `a list of sizes as shape of tensor "${name}"`, shownJson(shape))
  if (!isListOfCounts(offsets) || offsets.length !== 2) {
    throw invalid(what, `two data_offsets for tensor "${name}"`, shownJson(offsets))
  }
  const [begin = 0, end = 0] = offsets
  const bytes = elementCount(shape) * bytesPerElement[dtype as Dtype]
  if (end - begin !== bytes) {
    throw invalid(
      what,
      `${bytes} bytes for tensor "${name}", ${dtype} [${shape.join(', ')}]`,
      `offsets ${begin} to ${end}`,
    )
  }
  return { dtype: dtype as Dtype, shape, begin, end }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isListOfCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
}

/** In a message: short, whatever the file holds. */
function shownJson(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined
  return json === undefined ? 'nothing' : json.length > 100 ? `${json.slice(0, 100)}…` : json
}

function invalid(what: string, expected: string, found: string): TrainqlError {
  return invalidFile(what, expected, found, 'Use an undamaged safetensors file.')
}
