// The element types of tensor files: their sizes, and how each becomes fp32.
import type { FileDtype } from './tensor-file.ts'

export const bytesPerElement: Readonly<Record<FileDtype, number>> = {
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
}

/** Elements in the machine's byte order, from the buffer's first byte on, as numbers that fp32 rounds. */
export function toNumbers(dtype: FileDtype, raw: ArrayBuffer, count: number): ArrayLike<number> {
  switch (dtype) {
    case 'F32':
      return new Float32Array(raw, 0, count)
    case 'F64':
      return new Float64Array(raw, 0, count)
    case 'F16':
      return fromHalf(new Uint16Array(raw, 0, count))
    case 'BF16':
      return fromBrain(new Uint16Array(raw, 0, count))
    case 'I64':
      return Float64Array.from(new BigInt64Array(raw, 0, count), Number)
    case 'U64':
      return Float64Array.from(new BigUint64Array(raw, 0, count), Number)
    case 'I32':
      return new Int32Array(raw, 0, count)
    case 'U32':
      return new Uint32Array(raw, 0, count)
    case 'I16':
      return new Int16Array(raw, 0, count)
    case 'U16':
      return new Uint16Array(raw, 0, count)
    case 'I8':
      return new Int8Array(raw, 0, count)
    case 'U8':
      return new Uint8Array(raw, 0, count)
    case 'BOOL':
      return Uint8Array.from(new Uint8Array(raw, 0, count), (value) => (value === 0 ? 0 : 1))
    default:
      return dtype satisfies never
  }
}

/** bf16 is the upper half of fp32. */
function fromBrain(words: Uint16Array): Float32Array {
  const bits = new Uint32Array(words.length)
  for (let index = 0; index < words.length; index += 1) bits[index] = (words[index] as number) << 16
  return new Float32Array(bits.buffer)
}

let halves: Float32Array | null = null

/** IEEE 754 binary16, by a table of all 65,536 values. */
function fromHalf(words: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 0x10000 }, (_, word) => halfValue(word))
  const values = new Float32Array(words.length)
  for (let index = 0; index < words.length; index += 1) values[index] = halves[words[index] as number] as number
  return values
}

function halfValue(word: number): number {
  const sign = (word & 0x8000) === 0 ? 1 : -1
  const exponent = (word >> 10) & 0x1f
  const fraction = word & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
