// Turns stored bytes into normalised floats as a placement says: the readable version of `native/src/input/pixels.cc`, equal
// to it in every bit (single-precision operations in the same order).
import type { ImageShape, Normalisation } from '../datasets/dataset.ts'
import type { Placement, Size } from './placement.ts'

/** Normalisation of one byte: a table for bytes as they are, a line for what lies between them. By channel. */
export interface Levels {
  /** (channels, 256) */
  table: Float32Array
  /** value * scale + shift */
  scale: Float32Array
  shift: Float32Array
}

export function levelsOf({ mean, deviation }: Normalisation): Levels {
  const channels = mean.length
  const [table, scale, shift] = [256, 1, 1].map((each) => new Float32Array(channels * each)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  for (let channel = 0; channel < channels; channel += 1) {
    const [m = 0, d = 1] = [mean[channel], deviation[channel]]
    for (let level = 0; level < 256; level += 1) table[channel * 256 + level] = (level / 255 - m) / d
    scale[channel] = 1 / 255 / d
    shift[channel] = -m / d
  }
  return { table, scale, shift }
}

export interface Picture {
  /** (C, height, width) */
  bytes: Uint8Array
  size: Size
}

/** Writes one image (C, H, W) of `shape` to the beginning of `out`. */
export function placeImage(
  { bytes, size }: Picture,
  placement: Placement,
  { out, shape, levels }: { out: Float32Array; shape: ImageShape; levels: Levels },
): void {
  const { box, cut } = placement
  const fits = box.height === shape.height && box.width === shape.width
  const plane = shape.height * shape.width
  for (let channel = 0; channel < shape.channels; channel += 1) {
    const target: Plane = {
      from: bytes.subarray(channel * size.height * size.width),
      stride: size.width,
      to: out.subarray(channel * plane, (channel + 1) * plane),
      size: shape,
    }
    const table = levels.table.subarray(channel * 256)
    if (fits) copy(target, placement, table)
    else
      scale(target, placement, {
        black: table[0] ?? 0,
        factor: at(levels.scale, channel),
        shift: at(levels.shift, channel),
      })
    if (cut === null) continue
    for (let y = cut.top; y < cut.top + cut.height; y += 1) {
      const start = y * shape.width + cut.left
      target.to.fill(0, start, start + cut.width)
    }
  }
}

/** One channel on its way. */
interface Plane {
  from: Uint8Array
  stride: number
  to: Float32Array
  size: Size
}

function copy({ from, stride, to, size }: Plane, { box, top, left, flipped }: Placement, table: Float32Array): void {
  const { height, width } = size
  for (let y = 0, o = 0; y < height; y += 1) {
    const row = y + top
    for (let x = 0; x < width; x += 1, o += 1) {
      const column = (flipped ? width - 1 - x : x) + left
      const inside = row >= 0 && row < height && column >= 0 && column < width
      to[o] = at(table, inside ? at(from, (box.top + row) * stride + box.left + column) : 0)
    }
  }
}

/** Between which positions of a box an output position lies; null: outside, black. */
interface Between {
  low: number
  high: number
  /** Of `high`. */
  weight: number
}

/** torch.nn.functional.interpolate(mode='bilinear', align_corners=False, antialias=False) along one axis. */
function measure(length: number, span: { box: number; from: number; flipped: boolean }): (Between | null)[] {
  const scale = span.box / length
  return Array.from({ length }, (_, i) => {
    const place = (span.flipped ? length - 1 - i : i) + span.from
    if (place < 0 || place >= length) return null
    const position = Math.min(Math.max((place + 0.5) * scale - 0.5, 0), span.box - 1)
    const low = Math.floor(position)
    return { low, high: Math.min(low + 1, span.box - 1), weight: Math.fround(position - low) }
  })
}

interface Line {
  black: number
  factor: number
  shift: number
}

function scale({ from, stride, to, size }: Plane, placement: Placement, { black, factor, shift }: Line): void {
  const { box, top, left, flipped } = placement
  const rows = measure(size.height, { box: box.height, from: top, flipped: false })
  const columns = measure(size.width, { box: box.width, from: left, flipped })
  let o = 0
  for (const row of rows) {
    const upper = (box.top + (row?.low ?? 0)) * stride + box.left
    const lower = (box.top + (row?.high ?? 0)) * stride + box.left
    for (const column of columns) {
      if (row === null || column === null) to[o] = black
      else {
        const first = blend(at(from, upper + column.low), at(from, lower + column.low), row.weight)
        const second = blend(at(from, upper + column.high), at(from, lower + column.high), row.weight)
        to[o] = Math.fround(blend(first, second, column.weight) * factor) + shift
      }
      o += 1
    }
  }
}

function blend(a: number, b: number, weight: number): number {
  return Math.fround(a + Math.fround(Math.fround(b - a) * weight))
}

function at(values: Float32Array | Uint8Array, index: number): number {
  return values[index] as number
}
