// The built-in dataset `shapes`: ten kinds of line figures drawn by rule into 28x28 grey images, varied enough
// (place, size, turn, stretch, stroke, contrast, noise, stray marks) that a network learns them over epochs.
import { shapesDataset } from '../../shared/datasets.ts'
import { createRandom, type Random } from '../random.ts'
import { bytesOf, normalisationOf, splitInMemory, type Dataset, type ImageShape, type Split } from './dataset.ts'

const side = 28
const pixels = side * side

type Point = readonly [x: number, y: number]
/** Strokes as chains of points within about the unit circle. */
type Figure = readonly (readonly Point[])[]

const sin30 = 0.5
const cos30 = 0.8660254037844386
const arcPoints: readonly Point[] = [
  [1, 0],
  [cos30, sin30],
  [sin30, cos30],
  [0, 1],
  [-sin30, cos30],
  [-cos30, sin30],
  [-1, 0],
]
const lowerArc: readonly Point[] = arcPoints.map(([x, y]) => [-x, -y])

/** By class name, in any order: labels follow `shapesDataset.classes`. */
const figures: Record<string, Figure> = {
  ring: [[...arcPoints, ...lowerArc.slice(1)]],
  arc: [arcPoints],
  square: [
    [
      [-0.8, -0.8],
      [0.8, -0.8],
      [0.8, 0.8],
      [-0.8, 0.8],
      [-0.8, -0.8],
    ],
  ],
  triangle: [
    [
      [0, -1],
      [cos30, sin30],
      [-cos30, sin30],
      [0, -1],
    ],
  ],
  plus: [
    [
      [-1, 0],
      [1, 0],
    ],
    [
      [0, -1],
      [0, 1],
    ],
  ],
  tee: [
    [
      [-0.9, -0.8],
      [0.9, -0.8],
    ],
    [
      [0, -0.8],
      [0, 1],
    ],
  ],
  ell: [
    [
      [-0.6, -1],
      [-0.6, 0.8],
      [0.8, 0.8],
    ],
  ],
  bars: [
    [
      [-0.9, -0.45],
      [0.9, -0.45],
    ],
    [
      [-0.9, 0.45],
      [0.9, 0.45],
    ],
  ],
  zigzag: [
    [
      [-0.8, -0.8],
      [0.8, -0.8],
      [-0.8, 0.8],
      [0.8, 0.8],
    ],
  ],
  wye: [
    [
      [0, 0],
      [0, 1],
    ],
    [
      [0, 0],
      [cos30, -0.7],
    ],
    [
      [0, 0],
      [-cos30, -0.7],
    ],
  ],
}

export interface ShapesOptions {
  seed?: number
  trainImages?: number
  validationImages?: number
}

/** Draws the dataset; each image is a pure function of (seed, split, index), its class `index mod 10`. */
export function drawShapes(options: ShapesOptions = {}): Dataset {
  const undrawn = openUndrawn(options)
  const { train, validation, shape } = undrawn
  for (const split of [train, validation]) split.prepare?.(Uint32Array.from(split.labels.keys()))
  return { ...undrawn, normalisation: normalisationOf(bytesOf(train), shape) }
}

/** Of all training images, as `drawShapes` finds it. */
const normalisation = { mean: [0.40267403794851275], deviation: [0.313347709460522] }

/** The dataset with images that are drawn when they are first asked for: a short run needs few of them. */
export function openShapes(): Dataset {
  return { ...openUndrawn({}), normalisation }
}

function openUndrawn({
  seed = 0,
  trainImages = shapesDataset.trainImages,
  validationImages = shapesDataset.validationImages,
}: ShapesOptions): Omit<Dataset, 'normalisation'> {
  const { name, channels, classes } = shapesDataset
  const shape = { channels, height: side, width: side }
  return {
    name,
    shape,
    classes,
    train: openSplit(seed, { count: trainImages, firstSubstream: 0, shape }),
    validation: openSplit(seed, { count: validationImages, firstSubstream: 2 ** 31, shape }),
    skipped: [],
  }
}

interface SplitOptions {
  count: number
  firstSubstream: number
  shape: ImageShape
}

function openSplit(seed: number, { count, firstSubstream, shape }: SplitOptions): Split {
  const kinds = shapesDataset.classes.map((name) => figures[name] ?? [])
  const images = new Uint8Array(count * pixels)
  const labels = Uint16Array.from({ length: count }, (_, index) => index % kinds.length)
  const drawn = new Uint8Array(count)
  const coverage = new Float64Array(pixels)

  function draw(index: number): void {
    const random = createRandom({ seed, stream: 'shapes', substream: firstSubstream + index })
    coverage.fill(0)
    drawFigure(coverage, kinds[index % kinds.length] as Figure, random)
    for (let stray = random.below(3); stray > 0; stray -= 1) drawStray(coverage, random)
    expose(images.subarray(index * pixels, (index + 1) * pixels), coverage, random)
  }

  return {
    ...splitInMemory(images, labels, shape),
    prepare(indices) {
      for (const index of indices) {
        if (drawn[index] === 1) continue
        draw(index)
        drawn[index] = 1
      }
    },
  }
}

/** A direction, each equally likely, as a unit vector: a point of the disc, scaled. */
function direction(random: Random): Point {
  for (;;) {
    const x = random.between(-1, 1)
    const y = random.between(-1, 1)
    const square = x * x + y * y
    if (square > 1 || square < 1e-4) continue
    const length = Math.sqrt(square)
    return [x / length, y / length]
  }
}

function drawFigure(coverage: Float64Array, figure: Figure, random: Random): void {
  const [cos, sin] = direction(random)
  const size = random.between(4.5, 10)
  const stretch = random.between(0.65, 1)
  const shear = random.between(-0.25, 0.25)
  const centreX = random.between(9.5, 17.5)
  const centreY = random.between(9.5, 17.5)
  const halfWidth = random.between(0.5, 1.4)
  const place = ([x, y]: Point): Point => {
    const u = size * (x + shear * y + random.between(-0.1, 0.1))
    const v = size * (stretch * y + random.between(-0.1, 0.1))
    return [centreX + cos * u - sin * v, centreY + sin * u + cos * v]
  }
  for (const stroke of figure) {
    const placed = stroke.map(place)
    for (let i = 1; i < placed.length; i += 1) {
      drawSegment(coverage, [placed[i - 1] as Point, placed[i] as Point], { halfWidth, strength: 1 })
    }
  }
}

/** A short mark that belongs to no class. */
function drawStray(coverage: Float64Array, random: Random): void {
  const [cos, sin] = direction(random)
  const length = random.between(1, 7)
  const x = random.between(1, side - 2)
  const y = random.between(1, side - 2)
  const end: Point = [x + cos * length, y + sin * length]
  drawSegment(coverage, [[x, y], end], { halfWidth: random.between(0.4, 1.2), strength: random.between(0.4, 1) })
}

interface Pen {
  halfWidth: number
  strength: number
}

/** Lays an anti-aliased segment over the coverage (0 … 1 per pixel); where strokes cross, the stronger shows. */
function drawSegment(
  coverage: Float64Array,
  [[ax, ay], [bx, by]]: readonly [Point, Point],
  { halfWidth, strength }: Pen,
): void {
  const reach = halfWidth + 0.5
  const left = Math.max(0, Math.ceil(Math.min(ax, bx) - reach))
  const right = Math.min(side - 1, Math.floor(Math.max(ax, bx) + reach))
  const top = Math.max(0, Math.ceil(Math.min(ay, by) - reach))
  const bottom = Math.min(side - 1, Math.floor(Math.max(ay, by) + reach))
  const dx = bx - ax
  const dy = by - ay
  const lengthSquared = Math.max(dx * dx + dy * dy, 1e-9)
  for (let y = top; y <= bottom; y += 1) {
    for (let x = left; x <= right; x += 1) {
      const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / lengthSquared))
      const ex = x - ax - along * dx
      const ey = y - ay - along * dy
      const covered = strength * Math.min(1, reach - Math.sqrt(ex * ex + ey * ey))
      const pixel = y * side + x
      if (covered > (coverage[pixel] as number)) coverage[pixel] = covered
    }
  }
}

/** Turns coverage into grey levels: background with a slope, contrast (dark on light at times), noise. */
function expose(image: Uint8Array, coverage: Float64Array, random: Random): void {
  const background = random.between(0, 90)
  const contrast = random.between(75, 165)
  const inverted = random.below(3) === 0
  const slopeX = random.between(-1.2, 1.2)
  const slopeY = random.between(-1.2, 1.2)
  const noise = random.between(6, 32)
  const middle = (side - 1) / 2
  for (let pixel = 0; pixel < pixels; pixel += 1) {
    const x = pixel % side
    const y = (pixel - x) / side
    // The sum of four random bytes is near enough to normal: mean 510, deviation 147.8.
    const word = random.uint32()
    const bytes = (word & 0xff) + ((word >>> 8) & 0xff) + ((word >>> 16) & 0xff) + (word >>> 24)
    const clean = background + contrast * (coverage[pixel] as number) + slopeX * (x - middle) + slopeY * (y - middle)
    const level = clean + (noise * (bytes - 510)) / 147.8
    const shown = Math.min(255, Math.max(0, Math.floor(level + 0.5)))
    image[pixel] = inverted ? 255 - shown : shown
  }
}
