// The generator against its published vectors, and the exactness of all that is built on it.
import { describe, expect, test } from 'vitest'
import { naturalLogarithm, normalQuantile } from '../../src/trainer/normal-quantile.ts'
import { createRandom, permutation, philox } from '../../src/trainer/random.ts'

describe('Philox4x32-10', () => {
  // The known-answer vectors of the authors' Random123 library (kat_vectors).
  test.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('counter %j key %j', (counter, [key0, key1], expected) => {
    const block = Uint32Array.from(counter)
    philox(block, key0 as number, key1 as number)
    expect([...block]).toEqual(expected)
  })
})

describe('createRandom', () => {
  test('counts blocks in the low counter words, substream and stream in the high ones, the seed in the key', () => {
    const seed = 5 * 2 ** 32 + 7
    const random = createRandom({ seed, stream: 'shuffle', substream: 9 })
    const words = Array.from({ length: 8 }, () => random.uint32())
    const blocks = [Uint32Array.of(0, 0, 9, 2), Uint32Array.of(1, 0, 9, 2)]
    for (const block of blocks) philox(block, 7, 5)
    expect(words).toEqual(blocks.flatMap((block) => [...block]))
  })

  test('seed, stream and substream each give other numbers', () => {
    const keys = [
      { seed: 0, stream: 'init', substream: 0 },
      { seed: 1, stream: 'init', substream: 0 },
      { seed: 2 ** 32, stream: 'init', substream: 0 },
      { seed: 0, stream: 'shuffle', substream: 0 },
      { seed: 0, stream: 'init', substream: 1 },
    ] as const
    expect(new Set(keys.map((key) => createRandom(key).uint32())).size).toBe(keys.length)
  })

  test('uniform numbers lie in (0, 1) with mean 1/2 and variance 1/12', () => {
    const random = createRandom({ seed: 3, stream: 'init', substream: 0 })
    const values = Array.from({ length: 100_000 }, () => random.uniform())
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    expect(Math.min(...values.slice(0, 50_000))).toBeGreaterThan(0)
    expect(Math.max(...values.slice(0, 50_000))).toBeLessThan(1)
    expect(mean).toBeCloseTo(0.5, 2)
    expect(variance).toBeCloseTo(1 / 12, 3)
  })

  test('below(bound) gives every value about equally often and never another', () => {
    const random = createRandom({ seed: 0, stream: 'init', substream: 0 })
    const counts = new Array<number>(7).fill(0)
    for (let i = 0; i < 70_000; i += 1) counts[random.below(7)]! += 1
    expect(counts).toHaveLength(7)
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400)
    expect(random.below(1)).toBe(0)
  })

  test('normal numbers have the moments of the normal distribution', () => {
    const random = createRandom({ seed: 4, stream: 'init', substream: 0 })
    const values = Array.from({ length: 200_000 }, () => random.normal())
    const moment = (power: number): number => values.reduce((sum, value) => sum + value ** power, 0) / values.length
    expect(moment(1)).toBeCloseTo(0, 2)
    expect(moment(2)).toBeCloseTo(1, 2)
    expect(moment(4)).toBeCloseTo(3, 1)
  })
})

describe('normalQuantile', () => {
  // Python 3.11: statistics.NormalDist().inv_cdf(p).
  test.each([
    [1e-300, -37.0470962993612],
    [1e-20, -9.262340089798405],
    [1e-10, -6.361340902404056],
    [0.001, -3.090232306167813],
    [0.02425, -1.9729610513118845],
    [0.1, -1.2815515655446008],
    [0.5, 0],
    [0.975, 1.9599639845400536],
    [0.999999, 4.753424308817089],
  ])('p = %d', (p, expected) => {
    expect(normalQuantile(p)).toBe(expected)
  })

  test.each([1e-300, 1e-9, 0.3, 0.7071, 1, Math.E, 10, 1e300])('naturalLogarithm(%d) agrees with Math.log', (x) => {
    expect(Math.abs(naturalLogarithm(x) - Math.log(x))).toBeLessThanOrEqual(2 ** -52 * Math.abs(Math.log(x)))
  })
})

describe('permutation', () => {
  test('is the same for the same key, and another for another', () => {
    const order = permutation(10, { seed: 0, stream: 'shuffle', substream: 1 })
    expect([...order]).toMatchInlineSnapshot(`
      [
        0,
        4,
        6,
        3,
        9,
        7,
        1,
        5,
        2,
        8,
      ]
    `)
    expect([...permutation(10, { seed: 0, stream: 'shuffle', substream: 1 })]).toEqual([...order])
    expect([...permutation(10, { seed: 0, stream: 'shuffle', substream: 2 })]).not.toEqual([...order])
  })

  test('holds each number once', () => {
    const order = permutation(1000, { seed: 8, stream: 'shuffle', substream: 0 })
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, index) => index))
  })

  test.each([0, 1])('of %d', (count) => {
    expect(permutation(count, { seed: 0, stream: 'shuffle', substream: 0 })).toHaveLength(count)
  })
})
