// Reads a safetensors file of ours in one pass: each tensor into its own memory, and the file's hash on the way.
import { createHash } from 'node:crypto'
import { endianness } from 'node:os'
import type { StateDict } from '../engine.ts'
import { invalidFile, openBytes, type FileBytes } from './formats/file-bytes.ts'
import type { FileRecord } from './manifest.ts'
import {
  headerLengthBytes,
  inFileOrder,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors.ts'
import { fromRawTensor } from './state-dict.ts'

const fix = 'Continue from another checkpoint of the run.'

/** @throws TrainqlError `CHECKPOINT_INVALID` where a byte is not as it was written. */
export async function readVerifiedTensors(path: string, { bytes, sha256 }: FileRecord): Promise<StateDict> {
  const file = await openBytes(path)
  try {
    if (file.bytes !== bytes) throw invalidFile(path, `${bytes} bytes`, `${file.bytes}`, fix)
    const hash = createHash('sha256')
    const start = Buffer.alloc(headerLengthBytes)
    await file.read(start, 0)
    const header = Buffer.alloc(parseHeaderLength(start, bytes, path))
    await file.read(header, headerLengthBytes)
    hash.update(start).update(header)
    const dataAt = headerLengthBytes + header.length
    const parsed = parseHeader(header, bytes - dataAt, path)
    const state = await readTensors(file, { parsed, dataAt, onBytes: (piece) => void hash.update(piece) })
    const found = hash.digest('hex')
    if (found !== sha256) throw invalidFile(path, `sha-256 ${sha256}`, found, fix)
    return state
  } finally {
    await file.close()
  }
}

interface Reading {
  parsed: SafetensorsHeader
  dataAt: number
  /** Told of every byte, in the file's order. */
  onBytes: (piece: Uint8Array) => void
}

/** The next tensor is read while the last one is hashed. */
async function readTensors(file: FileBytes, { parsed, dataAt, onBytes }: Reading): Promise<StateDict> {
  const content = new Map<string, Uint8Array>()
  let last: Uint8Array = new Uint8Array()
  for (const [name, entry] of inFileOrder(parsed.tensors)) {
    const next = new Uint8Array(entry.end - entry.begin)
    const reading = file.read(next, dataAt + entry.begin)
    onBytes(last)
    await reading
    content.set(name, next)
    last = next
  }
  onBytes(last)
  return new Map(
    [...parsed.tensors].map(([name, entry]) => [
      name,
      toHostTensor(name, { entry, bytes: content.get(name) as Uint8Array, what: file.what }),
    ]),
  )
}

interface ReadTensor {
  entry: TensorEntry
  bytes: Uint8Array
  what: string
}

/** fp32 stays where it was read. */
function toHostTensor(name: string, { entry: { dtype, shape }, bytes, what }: ReadTensor) {
  if (dtype === 'F32' && endianness() === 'LE') return { shape, data: new Float32Array(bytes.buffer) }
  return fromRawTensor(name, { dtype, shape, bytes }, what)
}
