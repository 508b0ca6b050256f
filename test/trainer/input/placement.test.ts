// Where images are cut, mirrored and holed: torchvision's and the papers' rules, as pure functions of (seed, epoch, index).
import { describe, expect, test } from 'vitest'
import { exponential } from '../../../src/trainer/exponential.ts'
import {
  drawPlacement,
  placementRules,
  plainPlacement,
  type Placement,
  type Size,
} from '../../../src/trainer/input/placement.ts'
import { createRandom } from '../../../src/trainer/random.ts'
import { augmentationOf } from '../fixtures/augmentation.ts'

const square = { height: 32, width: 32 }
const key = { seed: 0, epoch: 1, index: 0 }

function drawMany(
  augmentation: Parameters<typeof augmentationOf>[0],
  sizes: { stored: Size; output: Size },
): Placement[] {
  const rules = placementRules(augmentationOf(augmentation))
  return Array.from({ length: 2000 }, (_, index) => drawPlacement(rules, { ...key, index }, sizes))
}

describe('exponential', () => {
  test.each([-0.2876820724517809, 0.2876820724517809, 0, 1, -1, 0.1, 5, -5, 20, 1e-12])(
    'of %d agrees with Math.exp',
    (x) => {
      expect(Math.abs(exponential(x) - Math.exp(x))).toBeLessThanOrEqual(2 ** -52 * Math.exp(x))
    },
  )

  test('of 0 is 1', () => {
    expect(exponential(0)).toBe(1)
  })
})

describe('the part of a sequence', () => {
  test('begins 2^32 blocks behind the one before', () => {
    const random = createRandom({ seed: 5, stream: 'crop', substream: 9, part: 3 })
    const first = createRandom({ seed: 5, stream: 'crop', substream: 9 })
    expect(random.uint32()).not.toBe(first.uint32())
    const again = createRandom({ seed: 5, stream: 'crop', substream: 9, part: 3 })
    again.uint32()
    expect(random.uint32()).toBe(again.uint32())
  })
})

describe('without augmentation', () => {
  test.each([
    [square, square, { top: 0, left: 0, height: 32, width: 32 }],
    [{ height: 30, width: 50 }, square, { top: 0, left: 10, height: 30, width: 30 }],
    [
      { height: 51, width: 30 },
      { height: 15, width: 15 },
      { top: 10, left: 0, height: 30, width: 30 },
    ],
    [
      { height: 20, width: 20 },
      { height: 10, width: 20 },
      { top: 5, left: 0, height: 10, width: 20 },
    ],
    [
      { height: 1, width: 1 },
      { height: 4, width: 2 },
      { top: 0, left: 0, height: 1, width: 1 },
    ],
  ])('%j shown at %j is its middle, %j', (stored, output, box) => {
    expect(plainPlacement(stored, output)).toEqual({ box, top: 0, left: 0, flipped: false, cut: null })
  })
})

describe('a random crop', () => {
  test('begins at each place from -padding to padding equally often, both ways', () => {
    const drawn = drawMany({ randomCrop: { padding: 2 } }, { stored: square, output: square })
    for (const side of ['top', 'left'] as const) {
      const counts = new Map<number, number>()
      for (const placement of drawn) counts.set(placement[side], (counts.get(placement[side]) ?? 0) + 1)
      expect([...counts.keys()].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2])
      for (const count of counts.values()) expect(Math.abs(count - 400)).toBeLessThan(80)
    }
    expect(drawn.some(({ top, left }) => top !== left)).toBe(true)
  })
})

describe('a flip', () => {
  test('takes every second image, by chance', () => {
    const drawn = drawMany({ horizontalFlip: true }, { stored: square, output: square })
    expect(Math.abs(drawn.filter(({ flipped }) => flipped).length - 1000)).toBeLessThan(90)
  })
})

describe('a random resized crop', () => {
  const stored = { height: 400, width: 400 }
  const output = { height: 224, width: 224 }

  test('takes shares of the area and aspects from the given ranges, anywhere', () => {
    const drawn = drawMany({ randomResizedCrop: { maxScale: 0.5 } }, { stored, output })
    const shares = drawn.map(({ box }) => (box.height * box.width) / 400 ** 2)
    const aspects = drawn.map(({ box }) => box.width / box.height)
    for (const { box } of drawn) {
      expect(box.top).toBeGreaterThanOrEqual(0)
      expect(box.left).toBeGreaterThanOrEqual(0)
      expect(box.top + box.height).toBeLessThanOrEqual(400)
      expect(box.left + box.width).toBeLessThanOrEqual(400)
    }
    // Rounding to whole pixels moves both by a little.
    expect(Math.min(...shares)).toBeGreaterThan(0.078)
    expect(Math.max(...shares)).toBeLessThan(0.505)
    expect(Math.min(...aspects)).toBeGreaterThan(0.74)
    expect(Math.max(...aspects)).toBeLessThan(1.35)
    // Even in the logarithm: half of them wider than high.
    expect(Math.abs(aspects.filter((aspect) => aspect > 1).length - 1000)).toBeLessThan(120)
    expect(Math.abs(shares.reduce((sum, share) => sum + share, 0) / 2000 - 0.29)).toBeLessThan(0.03)
  })

  test.each([
    ['a strip too wide', { height: 10, width: 400 }, { top: 0, left: 193, height: 10, width: 13 }],
    ['a strip too high', { height: 400, width: 10 }, { top: 193, left: 0, height: 13, width: 10 }],
  ])('of %s takes the middle once ten tries have failed', (_, strip, box) => {
    const rules = placementRules(augmentationOf({ randomResizedCrop: { minScale: 0.9, maxScale: 1 } }))
    expect(drawPlacement(rules, key, { stored: strip, output }).box).toEqual(box)
  })

  test('whose ranges are points takes exactly that', () => {
    const whole = { minScale: 1, maxScale: 1, minRatio: 1, maxRatio: 1 }
    const rules = placementRules(augmentationOf({ randomResizedCrop: whole }))
    const { box } = drawPlacement(rules, key, { stored: square, output: square })
    expect(box).toEqual({ top: 0, left: 0, height: 32, width: 32 })
  })
})

describe('a hole', () => {
  test('has its centre on any pixel, and is cut off at the border', () => {
    const drawn = drawMany({ cutout: { size: 8 } }, { stored: square, output: square }).map(({ cut }) => cut!)
    for (const { top, left, height, width } of drawn) {
      expect(top >= 0 && left >= 0 && top + height <= 32 && left + width <= 32).toBe(true)
      expect(height >= 4 && height <= 8 && width >= 4 && width <= 8).toBe(true)
    }
    // The first pixel is the centre in 1 of 32 images: rows 0 to 3 are left then.
    const atTop = drawn.filter(({ top, height }) => top === 0 && height === 4).length
    expect(Math.abs(atTop - 2000 / 32)).toBeLessThan(30)
    expect(drawn.some(({ height, width }) => height === 8 && width === 8)).toBe(true)
  })
})

describe('what is drawn', () => {
  const everything = {
    randomCrop: { padding: 4 },
    horizontalFlip: true,
    cutout: { size: 8 },
  }
  const draw = (augmentation: object, change: Partial<typeof key>) =>
    drawPlacement(
      placementRules(augmentationOf(augmentation)),
      { ...key, ...change },
      { stored: square, output: square },
    )

  test('differs by seed, epoch and image, and by nothing else', () => {
    const drawn = [{}, { seed: 1 }, { epoch: 2 }, { index: 1 }].map((change) =>
      JSON.stringify(draw(everything, change)),
    )
    expect(new Set(drawn).size).toBe(4)
    expect(JSON.stringify(draw(everything, {}))).toBe(drawn[0])
  })

  test('of one kind is not moved by another kind', () => {
    const { top, left } = draw({ randomCrop: { padding: 4 } }, {})
    expect(draw(everything, {})).toMatchObject({ top, left })
    expect(draw(everything, {}).cut).toEqual(draw({ cutout: { size: 8 } }, {}).cut)
  })

  test('is the same on every machine', () => {
    expect(draw({ ...everything, randomResizedCrop: {} }, { seed: 2 ** 40 + 3, epoch: 7, index: 59_999 }))
      .toMatchInlineSnapshot(`
      {
        "box": {
          "height": 30,
          "left": 3,
          "top": 0,
          "width": 27,
        },
        "cut": {
          "height": 8,
          "left": 25,
          "top": 23,
          "width": 7,
        },
        "flipped": false,
        "left": -4,
        "top": 0,
      }
    `)
  })
})
