// The windows of convolutions and pools over images (N, H, W, C): padding, taps, and the way back of gradients.
import type * as tfjs from '@tensorflow/tfjs'
import type { Tensor4D } from '@tensorflow/tfjs'

export type Tf = typeof tfjs

export interface Window {
  kernel: number
  stride: number
  padding: number
}

/** Pixels and padding that windows cover along an axis: rows at the end that no window reaches are not in it. */
function coveredSize(size: number, { kernel, stride, padding }: Window): number {
  return Math.floor((size + 2 * padding - kernel) / stride) * stride + kernel
}

/** What the windows of a layer cover of x, (N, H, W, C), with `fill` around it: then every window is a `valid` one. */
export function covered(tf: Tf, x: Tensor4D, window: Window, fill: number): Tensor4D {
  const [n, height, width, channels] = x.shape
  const { padding } = window
  const shape: [number, number, number, number] = [n, coveredSize(height, window), coveredSize(width, window), channels]
  const bottom = Math.max(0, shape[1] - height - padding)
  const right = Math.max(0, shape[2] - width - padding)
  return tf.tidy(() =>
    tf
      .pad(
        x,
        [
          [0, 0],
          [padding, bottom],
          [padding, right],
          [0, 0],
        ],
        fill,
      )
      .slice([0, 0, 0, 0], shape),
  )
}

/** Gradient of x, of `shape`, from that of `covered(x)`: padding has none, pixels outside get 0. */
export function uncovered(tf: Tf, dCovered: Tensor4D, { padding }: Window, shape: Tensor4D['shape']): Tensor4D {
  const bottom = Math.max(0, shape[1] + padding - dCovered.shape[1])
  const right = Math.max(0, shape[2] + padding - dCovered.shape[2])
  return tf.tidy(() =>
    tf
      .pad(dCovered, [
        [0, 0],
        [0, bottom],
        [0, right],
        [0, 0],
      ])
      .slice([0, padding, padding, 0], shape),
  )
}

/** The pixels that tap `tap` of a window (counted row by row) meets at each output position: (N, OH, OW, C). */
export function pixelsUnderTap(tf: Tf, padded: Tensor4D, { kernel, stride }: Window, tap: number): Tensor4D {
  const [n, height, width, channels] = padded.shape
  const row = Math.floor(tap / kernel)
  const column = tap % kernel
  const end = [n, row + height - kernel + 1, column + width - kernel + 1, channels]
  return tf.stridedSlice(padded, [0, row, column, 0], end, [1, stride, stride, 1]) as Tensor4D
}

/** The transpose of `pixelsUnderTap`: puts values (N, OH, OW, C) where the tap met its pixels, zeros elsewhere. */
export function spreadUnderTap(
  tf: Tf,
  values: Tensor4D,
  { kernel, stride }: Window,
  { tap, shape }: { tap: number; shape: Tensor4D['shape'] },
): Tensor4D {
  const [n, outHeight, outWidth, channels] = values.shape
  const [, height, width] = shape
  const row = Math.floor(tap / kernel)
  const column = tap % kernel
  const gap: [number, number] = [0, stride - 1]
  // stride - 1 empty columns after each column, then as many empty rows after each row.
  const wide = tf.pad(values.reshape([n * outHeight * outWidth, 1, channels]), [[0, 0], gap, [0, 0]])
  const rows = wide.reshape([n * outHeight, 1, outWidth * stride * channels])
  const spread = tf.pad(rows, [[0, 0], gap, [0, 0]]).reshape([n, outHeight * stride, outWidth * stride, channels])
  const spanHeight = height - kernel + 1
  const spanWidth = width - kernel + 1
  const paddings: [number, number][] = [
    [0, 0],
    [row, kernel - 1 - row],
    [column, kernel - 1 - column],
    [0, 0],
  ]
  return tf.pad(spread.slice([0, 0, 0, 0], [n, spanHeight, spanWidth, channels]), paddings) as Tensor4D
}

interface TapAxis {
  tap: number
  stride: number
  padding: number
  pixels: number
  outputs: number
}

/** Whether a tap (its offset along one axis) meets a pixel at some output position, or padding at all of them. */
export function meets({ tap, stride, padding, pixels, outputs }: TapAxis): boolean {
  for (let output = 0; output < outputs; output += 1) {
    const pixel = tap + output * stride - padding
    if (pixel >= 0 && pixel < pixels) return true
  }
  return false
}
