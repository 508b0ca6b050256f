// Checkpoint files put together by hand, to say what no writer would.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { eachValue, isTensor } from '../../../../src/trainer/checkpoints/formats/file-values.ts'
import { openTensorFile } from '../../../../src/trainer/checkpoints/formats/open.ts'
import type { FileValue } from '../../../../src/trainer/checkpoints/formats/tensor-file.ts'
import { encodeZip } from '../../../../src/trainer/checkpoints/formats/zip-writer.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

type Part = string | number | Uint8Array

/** Bytes: text is latin-1, a number one byte. */
export function bytes(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'latin1') : typeof part === 'number' ? Buffer.of(part) : part,
    ),
  )
}

export function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(value)
  return buffer
}

export function uint64(value: bigint): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(value)
  return buffer
}

/** A pickled string. */
export function text(value: string): Buffer {
  return bytes('X', uint32(Buffer.byteLength(value)), Buffer.from(value))
}

/** A pickled integer of any size. */
export function int(value: number | bigint): Buffer {
  const digits = BigInt.asUintN(128, BigInt(value)).toString(16).padStart(32, '0')
  return bytes(0x8a, 16, Buffer.from(digits, 'hex').reverse())
}

export function tuple(...items: Uint8Array[]): Buffer {
  return bytes('(', ...items, 't')
}

interface Storage {
  type?: string
  key?: string
  elements?: number | bigint
}

export function storage({ type = 'FloatStorage', key = '0', elements = 4 }: Storage = {}): Buffer {
  return bytes('(', text('storage'), `ctorch\n${type}\n`, text(key), text('cpu'), int(elements), 'tQ')
}

interface View {
  offset?: number | bigint
  size?: (number | bigint)[]
  stride?: (number | bigint)[]
}

/** A pickled tensor over a storage. */
export function tensor({ offset = 0, size = [4], stride = [1] }: View = {}, over = storage()): Buffer {
  const counts = (values: (number | bigint)[]) => tuple(...values.map(int))
  return bytes(
    'ctorch._utils\n_rebuild_tensor_v2\n',
    tuple(over, int(offset), counts(size), counts(stride), bytes('NN')),
    'R',
  )
}

export const fourFloats = Buffer.from(Float32Array.of(1, 2, 3, 4).buffer)

/** A zip archive as torch.save makes it, of a pickle that lacks only its end. */
export function zipOf(pickle: Uint8Array, records: Record<string, Uint8Array> = { 'data/0': fourFloats }): Buffer {
  const all = { 'data.pkl': bytes(0x80, 2, pickle, '.'), ...records }
  return archive(Object.entries(all).map(([name, content]) => [`archive/${name}`, content]))
}

export function archive(records: [name: string, content: Uint8Array][]): Buffer {
  const entries = records.map(([name, content]) => ({ name, bytes: content.length, content: () => content }))
  return Buffer.concat([...encodeZip(entries).pieces])
}

/** An archive whose one entry is deflated. */
export function deflatedArchive(name: string, content: Uint8Array, saidBytes = content.length): Buffer {
  const packed = deflateRawSync(content)
  const file = archive([[name, packed]])
  const at = (signature: string) => file.indexOf(Buffer.from(signature, 'latin1'))
  for (const [header, method, size] of [
    [at('PK\x03\x04'), 8, 22],
    [at('PK\x01\x02'), 10, 24],
  ] as const) {
    file.writeUInt16LE(8, header + method)
    file.writeUInt32LE(saidBytes, header + size)
    file.writeUInt32LE(0, header + method + 6)
  }
  return file
}

/** As torch.save wrote before 1.6: what comes behind the model's pickle is up to the test. */
export function legacyOf(pickle: Uint8Array, behind: Uint8Array): Buffer {
  const preamble = bytes(
    0x80,
    2,
    0x8a,
    10,
    Buffer.from('6cfc9c46f9206aa85019', 'hex'),
    '.',
    0x80,
    2,
    'M',
    0xe9,
    3,
    '.',
    '}.',
  )
  return bytes(preamble, 0x80, 2, pickle, '.', behind)
}

/** Everything in the file, tensors read as well. */
export async function readAll(content: Uint8Array): Promise<{ root: FileValue; values: Float32Array[] }> {
  const path = join(temporaryFolder(), 'hand-made')
  writeFileSync(path, content)
  const file = await openTensorFile(path)
  try {
    const values: Float32Array[] = []
    for (const value of eachValue(file.root)) if (isTensor(value)) values.push(await file.readFloats(value))
    return { root: file.root, values }
  } finally {
    await file.close()
  }
}
