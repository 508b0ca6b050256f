// safetensors: bytes made by hand, a round trip, and every malformed header refused.
import { describe, expect, test } from 'vitest'
import { decodeSafetensors, encodeSafetensors, type RawTensor } from '../../src/trainer/checkpoints/safetensors.ts'
import { findNonFinite, fromRawTensors, toRawTensors } from '../../src/trainer/checkpoints/state-dict.ts'
import type { StateDict } from '../../src/trainer/engine.ts'

function file(header: string, data: Uint8Array = new Uint8Array()): Buffer {
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)))
  return Buffer.concat([length, Buffer.from(header), data])
}

/** Made by hand after the format's description: 1.0, -2.0 as fp32, then 258 as int64, header padded with blanks. */
const handMade = Buffer.concat([
  Buffer.from('7000000000000000', 'hex'),
  Buffer.from(
    '{"n":{"dtype":"I64","shape":[],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}}   ',
  ),
  Buffer.from('0201000000000000', 'hex'),
  Buffer.from('0000803f000000c0', 'hex'),
])

const tensors = new Map<string, RawTensor>([
  ['w', { dtype: 'F32', shape: [1, 2], bytes: Buffer.from('0000803f000000c0', 'hex') }],
  ['n', { dtype: 'I64', shape: [], bytes: Buffer.from('0201000000000000', 'hex') }],
])

describe('encodeSafetensors', () => {
  test('writes the bytes of the format, wide elements first', () => {
    expect(Buffer.concat(encodeSafetensors({ tensors, metadata: {} })).toString('latin1')).toBe(
      handMade.toString('latin1'),
    )
  })

  test('begins the data at a multiple of 8, whatever the names', () => {
    for (let length = 1; length <= 9; length += 1) {
      const named = new Map([['x'.repeat(length), { dtype: 'U8', shape: [1], bytes: Uint8Array.of(1) }]] as const)
      const [header = new Uint8Array()] = encodeSafetensors({ tensors: named, metadata: { format: 'pt' } })
      expect(header.length % 8).toBe(0)
      expect(decodeSafetensors(Buffer.concat([header, Uint8Array.of(1)]), 'it').metadata).toEqual({ format: 'pt' })
    }
  })
})

describe('decodeSafetensors', () => {
  test('reads the bytes of the format', () => {
    const decoded = decodeSafetensors(handMade, 'it')
    expect(decoded.metadata).toEqual({})
    expect([...decoded.tensors.keys()]).toEqual(['n', 'w'])
    expect(decoded.tensors.get('w')).toEqual({ dtype: 'F32', shape: [1, 2], bytes: handMade.subarray(-8) })
    expect(decoded.tensors.get('n')).toEqual({ dtype: 'I64', shape: [], bytes: handMade.subarray(-16, -8) })
  })

  test('takes tensors in any order, and empty ones', () => {
    const header = JSON.stringify({
      late: { dtype: 'U8', shape: [1], data_offsets: [2, 3] },
      early: { dtype: 'BF16', shape: [1], data_offsets: [0, 2] },
      empty: { dtype: 'F32', shape: [0, 4], data_offsets: [2, 2] },
    })
    const decoded = decodeSafetensors(file(header, Uint8Array.of(1, 2, 3)), 'it')
    expect([...(decoded.tensors.get('late')?.bytes ?? [])]).toEqual([3])
    expect([...(decoded.tensors.get('early')?.bytes ?? [])]).toEqual([1, 2])
    expect(decoded.tensors.get('empty')?.bytes).toHaveLength(0)
  })

  const f32 = (shape: number[], from: number, to: number) => ({ dtype: 'F32', shape, data_offsets: [from, to] })
  const four = new Uint8Array(4)
  const cases: [what: string, bytes: Uint8Array, message: string][] = [
    ['no file', new Uint8Array(), 'it: expected at least 8 bytes of header length; found 0 bytes.'],
    [
      'a header longer than the file',
      handMade.subarray(0, 50),
      'it: expected a header of at most 42 bytes; found length 112.',
    ],
    [
      'a header length of 2^63',
      Buffer.from('0000000000000080', 'hex'),
      'it: expected a header of at most 0 bytes; found length 9223372036854775808.',
    ],
    ['an empty header', file(''), 'it: expected a JSON header; found Unexpected end of JSON input.'],
    ['a header that is a list', file('[]'), 'it: expected a header that begins with "{"; found "[".'],
    ['a header behind a blank', file(' {}'), 'it: expected a header that begins with "{"; found " ".'],
    ['an entry that is no object', file('{"w":3}'), 'it: expected an object for tensor "w"; found 3.'],
    ['metadata of numbers', file('{"__metadata__":{"a":1}}'), 'it: expected __metadata__ of strings; found {"a":1}.'],
    [
      'an unknown dtype',
      file(JSON.stringify({ w: { ...f32([1], 0, 4), dtype: 'toString' } }), four),
      'it: expected a dtype of BOOL, U8, I8, I16, U16, F16, BF16, I32, U32, F32, F64, I64, U64 for tensor "w"; found "toString".',
    ],
    [
      'a negative size',
      file(JSON.stringify({ w: f32([-1, -1], 0, 4) }), four),
      'it: expected a list of sizes as shape of tensor "w"; found [-1,-1].',
    ],
    [
      'a size that is no whole number',
      file(JSON.stringify({ w: f32([0.5, 2], 0, 4) }), four),
      'it: expected a list of sizes as shape of tensor "w"; found [0.5,2].',
    ],
    [
      'one offset',
      file(JSON.stringify({ w: { dtype: 'F32', shape: [1], data_offsets: [0] } }), four),
      'it: expected two data_offsets for tensor "w"; found [0].',
    ],
    [
      'offsets that do not fit the shape',
      file(JSON.stringify({ w: f32([2], 0, 4) }), four),
      'it: expected 8 bytes for tensor "w", F32 [2]; found offsets 0 to 4.',
    ],
    [
      'offsets in reverse',
      file(JSON.stringify({ w: f32([1], 4, 0) }), four),
      'it: expected 4 bytes for tensor "w", F32 [1]; found offsets 4 to 0.',
    ],
    [
      'sizes whose product overflows',
      file(JSON.stringify({ w: f32([2 ** 52, 2 ** 52], 0, 4) }), four),
      'it: expected 8.112963841460668e+31 bytes for tensor "w", F32 [4503599627370496, 4503599627370496]; found offsets 0 to 4.',
    ],
    [
      'data cut short',
      file(JSON.stringify({ w: f32([1], 0, 4) }), four.subarray(1)),
      'it: expected tensor "w" within 3 data bytes; found offsets 0 to 4.',
    ],
    [
      'overlapping tensors',
      file(JSON.stringify({ v: f32([1], 0, 4), w: f32([1], 2, 6) }), new Uint8Array(6)),
      'it: expected tensor "w" to begin at 4, where the one before ends; found 2.',
    ],
    [
      'a gap between tensors',
      file(JSON.stringify({ v: f32([1], 0, 4), w: f32([1], 8, 12) }), new Uint8Array(12)),
      'it: expected tensor "w" to begin at 4, where the one before ends; found 8.',
    ],
    [
      'bytes that belong to no tensor',
      file(JSON.stringify({ w: f32([1], 0, 4) }), new Uint8Array(5)),
      'it: expected 4 data bytes, the sum of the tensors; found 5.',
    ],
    [
      'a tensor twice',
      file(
        '{"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0077":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}',
        four.subarray(3),
      ),
      'it: expected each tensor once in the header; found "w" twice.',
    ],
  ]
  test.each(cases)('refuses %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes, 'it')).toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_INVALID', message }),
    )
  })

  test('refuses a header that is not UTF-8', () => {
    const bytes = file('{"?":3}')
    bytes[10] = 0xff
    expect(() => decodeSafetensors(bytes, 'it')).toThrow(/^it: expected a JSON header; found /)
  })
})

describe('state dict', () => {
  const state: StateDict = new Map([
    ['conv1.weight', { shape: [2, 1, 1, 2], data: Float32Array.of(0, -0, 1.5, 3.4028234663852886e38) }],
    ['bn1.num_batches_tracked', { shape: [], data: Float32Array.of(258) }],
  ])

  test('comes back from a file bit by bit, the count as int64', () => {
    const raw = toRawTensors(state)
    expect(raw.get('conv1.weight')?.dtype).toBe('F32')
    expect(raw.get('bn1.num_batches_tracked')).toEqual({
      dtype: 'I64',
      shape: [],
      bytes: Buffer.from('0201000000000000', 'hex'),
    })
    const bytes = Buffer.concat(encodeSafetensors({ tensors: raw, metadata: {} }))
    const back = fromRawTensors(decodeSafetensors(bytes, 'it').tensors, 'it')
    expect(new Map(back)).toEqual(state)
    expect(Object.is(back.get('conv1.weight')?.data[1], -0)).toBe(true)
  })

  test('refuses another dtype', () => {
    const half = new Map<string, RawTensor>([['fc.bias', { dtype: 'F16', shape: [1], bytes: new Uint8Array(2) }]])
    expect(() => fromRawTensors(half, 'it')).toThrow('it: expected tensor "fc.bias" as F32; found F16.')
  })

  test.each([
    [[1, 2], null],
    [[1, NaN], 'w'],
    [[Infinity, 1], 'w'],
    [[Infinity, -Infinity], 'w'],
    [[3.4028234663852886e38, 3.4028234663852886e38], null],
  ])('findNonFinite of %j', (values, expected) => {
    expect(findNonFinite(new Map([['w', { shape: [2], data: Float32Array.from(values) }]]))).toBe(expected)
  })
})
