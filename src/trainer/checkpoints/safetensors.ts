// Reads and writes safetensors files: 8 bytes of header length, a JSON header, then the tensors' bytes.
// Format: https://huggingface.co/docs/safetensors, "Format". Little-endian throughout.
import { TrainqlError } from '../../shared/errors.ts'
import { elementCount } from '../models/parameters.ts'

const bytesPerElement = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const
export type Dtype = keyof typeof bytesPerElement

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

/**
 * The file in pieces to be written one after another: header, then each tensor's bytes (not copied). Tensors of wider
 * elements come first, as the reference writer puts them, so that every tensor is aligned; else the given order stays.
 */
export function encodeSafetensors({ tensors, metadata }: SafetensorsFile): Uint8Array[] {
  const ordered = [...tensors].sort(([, a], [, b]) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype])
  const header: Record<string, unknown> = {}
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata
  let end = 0
  for (const [name, { dtype, shape, bytes }] of ordered) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] }
    end += bytes.length
  }
  const json = Buffer.from(JSON.stringify(header))
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  padded.writeBigUInt64LE(BigInt(padded.length - 8))
  json.copy(padded, 8)
  return [padded, ...ordered.map(([, { bytes }]) => bytes)]
}

/**
 * Reads a whole file strictly: tensors must follow one another without gap or overlap and fill the file. The bytes
 * returned are views of `file`.
 * @param what names the file in errors.
 * @throws TrainqlError `CHECKPOINT_INVALID`
 */
export function decodeSafetensors(file: Uint8Array, what: string): SafetensorsFile {
  const buffer = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  if (buffer.length < 8) throw invalid(what, `at least 8 bytes of header length`, `${buffer.length} bytes`)
  const headerLength = buffer.readBigUInt64LE()
  if (headerLength > BigInt(Math.min(maxHeaderBytes, buffer.length - 8))) {
    throw invalid(
      what,
      `a header of at most ${Math.min(maxHeaderBytes, buffer.length - 8)} bytes`,
      `length ${headerLength}`,
    )
  }
  const start = 8 + Number(headerLength)
  const { entries, metadata } = parseHeader(buffer.subarray(8, start), what)
  const data = buffer.subarray(start)

  const tensors = new Map(
    entries.map(([name, entry]) => {
      const { dtype, shape, begin, end } = parseEntry(name, entry, what)
      if (end > data.length)
        throw invalid(what, `tensor "${name}" within ${data.length} data bytes`, `offsets ${begin} to ${end}`)
      return [name, { dtype, shape, begin, end }]
    }),
  )
  let covered = 0
  for (const [name, { begin, end }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      throw invalid(what, `tensor "${name}" to begin at ${covered}, where the one before ends`, `${begin}`)
    covered = end
  }
  if (covered !== data.length) throw invalid(what, `${covered} data bytes, the sum of the tensors`, `${data.length}`)
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

function parseHeader(header: Buffer, what: string): { entries: [string, unknown][]; metadata: Record<string, string> } {
  let text: string
  let parsed: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header)
    parsed = JSON.parse(text)
  } catch (error) {
    throw invalid(what, 'a JSON header', error instanceof Error ? error.message : String(error))
  }
  if (!text.startsWith('{') || !isRecord(parsed))
    throw invalid(what, 'a header that begins with "{"', JSON.stringify(text[0] ?? ''))
  const repeated = findRepeatedKey(text)
  if (repeated !== null) throw invalid(what, 'each tensor once in the header', `"${repeated}" twice`)
  const { __metadata__: metadata = {}, ...tensors } = parsed
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw invalid(what, '__metadata__ of strings', JSON.stringify(metadata))
  }
  return { entries: Object.entries(tensors), metadata: metadata as Record<string, string> }
}

interface ParsedEntry {
  dtype: Dtype
  shape: number[]
  begin: number
  end: number
}

function parseEntry(name: string, entry: unknown, what: string): ParsedEntry {
  if (!isRecord(entry)) throw invalid(what, `an object for tensor "${name}"`, JSON.stringify(entry))
  const { dtype, shape, data_offsets: offsets } = entry
  if (typeof dtype !== 'string' || !Object.hasOwn(bytesPerElement, dtype)) {
    throw invalid(
      what,
      `a dtype of ${Object.keys(bytesPerElement).join(', ')} for tensor "${name}"`,
      JSON.stringify(dtype),
    )
  }
  if (!isListOfCounts(shape)) throw invalid(what, `a list of sizes as shape of tensor "${name}"`, JSON.stringify(shape))
  if (!isListOfCounts(offsets) || offsets.length !== 2) {
    throw invalid(what, `two data_offsets for tensor "${name}"`, JSON.stringify(offsets))
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

/** JSON.parse keeps the last of two equal keys silently; a header that says two things about a tensor is refused. */
function findRepeatedKey(json: string): string | null {
  const seen = new Set<string>()
  let depth = 0
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth += 1
    else if (token === '}' || token === ']') depth -= 1
    else if (depth === 1 && token.endsWith(':')) {
      const key = JSON.parse(token.slice(0, -1)) as string
      if (seen.has(key)) return key
      seen.add(key)
    }
  }
  return null
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isListOfCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)
}

function invalid(what: string, expected: string, found: string): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message: `${what}: expected ${expected}; found ${found}.`,
    fix: 'Use an undamaged safetensors file.',
  })
}
