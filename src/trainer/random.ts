// Random numbers as a pure function of (seed, stream, substream, part, position): the counter-based generator
// Philox4x32-10, and uniform, whole and normal numbers on it, bit-equal on every platform. `native/src/input/random.h`
// draws the same numbers.
//
// Only +, -, *, / and sqrt of doubles and 32-bit integers are used, which ECMAScript defines exactly; Math.log,
// Math.sin and their like may differ between engines and are not used.
import { normalQuantile } from './normal-quantile.ts'

/** Each use draws from a stream of its own, so that one more draw in one place moves nothing in another. */
export const streams = {
  init: 1,
  shuffle: 2,
  subset: 3,
  shapes: 4,
  resizedCrop: 5,
  crop: 6,
  flip: 7,
  cutout: 8,
} as const
export type Stream = keyof typeof streams

export interface RandomKey {
  /** 0 … 2^53 - 1. */
  seed: number
  stream: Stream
  /** Which sequence of the stream: an epoch, a tensor's index, an image's index. 0 … 2^32 - 1. */
  substream: number
  /** Which part of the sequence, each of 2^34 words: an epoch. 0 … 2^20; 0 where it is left out. */
  part?: number
}

export interface Random {
  /** 0 … 2^32 - 1. */
  uint32(): number
  /** 53 random bits in (0, 1), never 0 or 1. */
  uniform(): number
  /** Uniform between two numbers. */
  between(low: number, high: number): number
  /** Whole number in 0 … bound - 1, each equally likely; bound in 1 … 2^32. */
  below(bound: number): number
  /** Standard normal, by the inverse of its distribution function: one uniform number each. */
  normal(): number
}

const twoTo32 = 2 ** 32
/** Words are drawn in runs, which is faster; the numbers are the same. */
const blocksAtOnce = 16

export function createRandom({ seed, stream, substream, part = 0 }: RandomKey): Random {
  const key0 = seed >>> 0
  const key1 = Math.floor(seed / twoTo32) >>> 0
  const words = new Uint32Array(4 * blocksAtOnce)
  let counter = part * twoTo32
  let used = words.length

  function uint32(): number {
    if (used === words.length) {
      for (let word = 0; word < words.length; word += 4) {
        words[word] = counter >>> 0
        words[word + 1] = Math.floor(counter / twoTo32)
        words[word + 2] = substream
        words[word + 3] = streams[stream]
        counter += 1
      }
      philox(words, key0, key1)
      used = 0
    }
    const word = words[used] as number
    used += 1
    return word
  }

  function uniform(): number {
    const high = uint32() >>> 5
    const low = uint32() >>> 6
    // 53 bits; the half step keeps 0 out (at the top it rounds away, and 1 - 2^-53 is the largest value).
    return Math.min((high * 67108864 + low + 0.5) / 9007199254740992, 1 - 2 ** -53)
  }

  function between(low: number, high: number): number {
    return low + (high - low) * uniform()
  }

  function below(bound: number): number {
    // Words of the last, incomplete run of `bound` values are thrown away, so that no value is favoured.
    const limit = twoTo32 - (twoTo32 % bound)
    let word = uint32()
    while (word >= limit) word = uint32()
    return word % bound
  }

  return { uint32, uniform, between, below, normal: () => normalQuantile(uniform()) }
}

/** The numbers 0 … count - 1 in random order (Fisher-Yates), a pure function of the key. */
export function permutation(count: number, key: RandomKey): Uint32Array {
  const random = createRandom(key)
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  for (let last = count - 1; last > 0; last -= 1) {
    const other = random.below(last + 1)
    const moved = order[last] as number
    order[last] = order[other] as number
    order[other] = moved
  }
  return order
}

/**
 * Philox4x32 with 10 rounds, in place: each four words, a counter, become four random words.
 * Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, doi:10.1145/2063384.2063405.
 */
export function philox(words: Uint32Array, key0: number, key1: number): void {
  for (let word = 0; word < words.length; word += 4) {
    let c0 = words[word] as number
    let c1 = words[word + 1] as number
    let c2 = words[word + 2] as number
    let c3 = words[word + 3] as number
    let k0 = key0 | 0
    let k1 = key1 | 0
    for (let round = 0; round < 10; round += 1) {
      const high0 = multiplyHigh(0xd2511f53, c0)
      const low0 = Math.imul(0xd2511f53, c0)
      const high1 = multiplyHigh(0xcd9e8d57, c2)
      const low1 = Math.imul(0xcd9e8d57, c2)
      c0 = high1 ^ c1 ^ k0
      c1 = low1
      c2 = high0 ^ c3 ^ k1
      c3 = low0
      k0 = (k0 + 0x9e3779b9) | 0
      k1 = (k1 + 0xbb67ae85) | 0
    }
    words[word] = c0
    words[word + 1] = c1
    words[word + 2] = c2
    words[word + 3] = c3
  }
}

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff
  const aHigh = a >>> 16
  const bLow = b & 0xffff
  const bHigh = b >>> 16
  // Neither sum leaves 32 bits: 0xffff * 0xffff + 0xffff < 2^32.
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) >>> 0
  const carry = (Math.imul(aLow, bHigh) + (middle & 0xffff)) >>> 0
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) | 0
}
