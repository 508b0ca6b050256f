// The layers of the float64 reference, forward and backward, as a textbook writes them. Images are (N, C, H, W).
import type { ConvLayer, Layer, ModelGraph } from '../../src/trainer/models/graph.ts'

export type Values = Map<string, Float64Array>

export interface Model {
  graph: ModelGraph
  state: Values
}

export interface LossTarget {
  /** Of each image's loss. */
  scale: number
  /** Share of the target that all classes have alike. */
  smoothing: number
}

/** Sum of the cross-entropy of target and softmax, and its gradient. */
export function crossEntropy(logits: Float64Array, labels: Int32Array, { scale, smoothing }: LossTarget) {
  const classes = logits.length / labels.length
  const gradient = new Float64Array(logits.length)
  let loss = 0
  labels.forEach((label, image) => {
    const row = Array.from(logits.subarray(image * classes, (image + 1) * classes))
    const largest = Math.max(...row)
    const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0)
    row.forEach((logit, k) => {
      const target = smoothing / classes + (k === label ? 1 - smoothing : 0)
      loss -= scale * target * (logit - largest - Math.log(sum))
      gradient[image * classes + k] = scale * (Math.exp(logit - largest) / sum - target)
    })
  })
  return { loss, gradient }
}

/** The classes of each image, likeliest first: by falling logit, and in their own order where logits are equal. */
export function rankings(logits: Float64Array, classes: number): number[][] {
  return Array.from({ length: logits.length / classes }, (_, image) => {
    const row = logits.subarray(image * classes, (image + 1) * classes)
    return Array.from(row.keys()).sort((a, b) => at(row, b) - at(row, a) || a - b)
  })
}

interface BatchStatistics {
  mean: Float64Array
  variance: Float64Array
}

export function run({ graph, state }: Model, images: Float64Array, batch: number, mode: 'training' | 'inference') {
  const values: Float64Array[] = [images]
  const statistics: Values = new Map()
  const batchStatistics = new Map<string, BatchStatistics>()
  for (const layer of graph.layers) {
    const x = values[layer.op === 'add' ? layer.inputs[0] : layer.input] ?? new Float64Array()
    const [channels, height, width] = graph.shapes[layer.output] ?? [0, 0, 0]
    const y = new Float64Array(batch * channels * height * width)
    values[layer.output] = y
    switch (layer.op) {
      case 'conv': {
        const weight = get(state, `${layer.name}.weight`)
        eachTap(graph, layer, batch, ({ xi, xStep, wi, wStep, yi }) => {
          let sum = at(y, yi)
          for (let i = 0; i < layer.inChannels; i += 1) sum += at(x, xi + i * xStep) * at(weight, wi + i * wStep)
          y[yi] = sum
        })
        break
      }
      case 'batchNorm': {
        const weight = get(state, `${layer.name}.weight`)
        const bias = get(state, `${layer.name}.bias`)
        const plane = height * width
        const n = batch * plane
        let mean = get(state, `${layer.name}.running_mean`)
        let variance = get(state, `${layer.name}.running_var`)
        if (mode === 'training') {
          mean = perChannel(x, { channels, plane }, (value) => value / n)
          const centre = mean
          variance = perChannel(x, { channels, plane }, (value, c) => (value - at(centre, c)) ** 2 / n)
          batchStatistics.set(layer.name, { mean, variance })
          statistics.set(`${layer.name}.running_mean`, mean)
          statistics.set(
            `${layer.name}.running_var`,
            variance.map((value) => (value * n) / (n - 1)),
          )
        }
        y.forEach((_, i) => {
          const c = Math.floor(i / plane) % channels
          const normalised = (at(x, i) - at(mean, c)) / Math.sqrt(at(variance, c) + layer.epsilon)
          y[i] = normalised * at(weight, c) + at(bias, c)
        })
        break
      }
      case 'relu':
        y.forEach((_, i) => (y[i] = Math.max(0, at(x, i))))
        break
      case 'add': {
        const other = values[layer.inputs[1]] ?? new Float64Array()
        y.forEach((_, i) => (y[i] = at(x, i) + at(other, i)))
        break
      }
      case 'maxPool':
        eachMaximum(graph, layer, { x, batch }, (xi, yi) => (y[yi] = at(x, xi)))
        break
      case 'globalAvgPool': {
        const plane = x.length / y.length
        x.forEach((value, i) => (y[Math.floor(i / plane)] = at(y, Math.floor(i / plane)) + value / plane))
        break
      }
      case 'linear': {
        const weight = get(state, `${layer.name}.weight`)
        const bias = get(state, `${layer.name}.bias`)
        y.forEach((_, i) => {
          const image = Math.floor(i / layer.outFeatures)
          const out = i % layer.outFeatures
          let sum = at(bias, out)
          for (let k = 0; k < layer.inFeatures; k += 1)
            sum += at(x, image * layer.inFeatures + k) * at(weight, out * layer.inFeatures + k)
          y[i] = sum
        })
        break
      }
      default:
        layer satisfies never
    }
  }
  return { values, statistics, batchStatistics }
}

interface BackwardInput {
  xs: readonly Float64Array[]
  dy: Float64Array
  batch: number
  batchStatistics: ReadonlyMap<string, BatchStatistics>
}

export function backward(
  { graph, state }: Model,
  layer: Layer,
  { xs, dy, batch, batchStatistics }: BackwardInput,
): { inputs: Float64Array[]; parameters: [string, Float64Array][] } {
  const [x = new Float64Array()] = xs
  const dx = new Float64Array(x.length)
  switch (layer.op) {
    case 'conv': {
      const weight = get(state, `${layer.name}.weight`)
      const dWeight = new Float64Array(weight.length)
      eachTap(graph, layer, batch, ({ xi, xStep, wi, wStep, yi }) => {
        const gradient = at(dy, yi)
        for (let i = 0; i < layer.inChannels; i += 1) {
          const pixel = xi + i * xStep
          const tap = wi + i * wStep
          dx[pixel] = at(dx, pixel) + at(weight, tap) * gradient
          dWeight[tap] = at(dWeight, tap) + at(x, pixel) * gradient
        }
      })
      return { inputs: [dx], parameters: [[`${layer.name}.weight`, dWeight]] }
    }
    case 'batchNorm': {
      const weight = get(state, `${layer.name}.weight`)
      const { mean, variance } = batchStatistics.get(layer.name) ?? { mean: dx, variance: dx }
      const { channels } = layer
      const plane = x.length / batch / channels
      const n = batch * plane
      const channelOf = (i: number) => Math.floor(i / plane) % channels
      const normalised = x.map((value, i) => {
        const c = channelOf(i)
        return (value - at(mean, c)) / Math.sqrt(at(variance, c) + layer.epsilon)
      })
      const dBias = perChannel(dy, { channels, plane }, (value) => value)
      const dWeight = perChannel(dy, { channels, plane }, (value, _, i) => value * at(normalised, i))
      dx.forEach((_, i) => {
        const c = channelOf(i)
        const throughStatistics = (at(dBias, c) + at(normalised, i) * at(dWeight, c)) / n
        dx[i] = (at(weight, c) / Math.sqrt(at(variance, c) + layer.epsilon)) * (at(dy, i) - throughStatistics)
      })
      return {
        inputs: [dx],
        parameters: [
          [`${layer.name}.weight`, dWeight],
          [`${layer.name}.bias`, dBias],
        ],
      }
    }
    case 'relu':
      dx.forEach((_, i) => (dx[i] = at(x, i) > 0 ? at(dy, i) : 0))
      return { inputs: [dx], parameters: [] }
    case 'add':
      return { inputs: [dy, dy], parameters: [] }
    case 'maxPool':
      eachMaximum(graph, layer, { x, batch }, (xi, yi) => (dx[xi] = at(dx, xi) + at(dy, yi)))
      return { inputs: [dx], parameters: [] }
    case 'globalAvgPool': {
      const plane = x.length / dy.length
      dx.forEach((_, i) => (dx[i] = at(dy, Math.floor(i / plane)) / plane))
      return { inputs: [dx], parameters: [] }
    }
    case 'linear': {
      const weight = get(state, `${layer.name}.weight`)
      const dWeight = new Float64Array(weight.length)
      const dBias = new Float64Array(layer.outFeatures)
      dy.forEach((gradient, i) => {
        const image = Math.floor(i / layer.outFeatures)
        const out = i % layer.outFeatures
        dBias[out] = at(dBias, out) + gradient
        for (let k = 0; k < layer.inFeatures; k += 1) {
          const xi = image * layer.inFeatures + k
          const wi = out * layer.inFeatures + k
          dWeight[wi] = at(dWeight, wi) + gradient * at(x, xi)
          dx[xi] = at(dx, xi) + gradient * at(weight, wi)
        }
      })
      return {
        inputs: [dx],
        parameters: [
          [`${layer.name}.weight`, dWeight],
          [`${layer.name}.bias`, dBias],
        ],
      }
    }
    default:
      return layer satisfies never
  }
}

/** Where one tap of a convolution meets one pixel for one output, at input channel 0, and the way to the next channel. */
interface Tap {
  xi: number
  xStep: number
  wi: number
  wStep: number
  yi: number
}

/** Visits every meeting of a tap and a pixel; padding has none. */
function eachTap(
  graph: ModelGraph,
  { input, output, kernel, stride, padding, inChannels, outChannels }: ConvLayer,
  batch: number,
  visit: (tap: Tap) => void,
): void {
  const [, height, width] = graph.shapes[input] ?? [0, 0, 0]
  const [, outHeight, outWidth] = graph.shapes[output] ?? [0, 0, 0]
  const xStep = height * width
  const wStep = kernel * kernel
  for (let n = 0; n < batch; n += 1)
    for (let o = 0; o < outChannels; o += 1)
      for (let oh = 0; oh < outHeight; oh += 1)
        for (let ow = 0; ow < outWidth; ow += 1)
          for (let kh = 0; kh < kernel; kh += 1) {
            const h = oh * stride + kh - padding
            if (h < 0 || h >= height) continue
            for (let kw = 0; kw < kernel; kw += 1) {
              const w = ow * stride + kw - padding
              if (w < 0 || w >= width) continue
              const xi = n * inChannels * xStep + h * width + w
              const wi = o * inChannels * wStep + kh * kernel + kw
              const yi = ((n * outChannels + o) * outHeight + oh) * outWidth + ow
              visit({ xi, xStep, wi, wStep, yi })
            }
          }
}

/** Visits each pooling window by the positions of its first largest pixel and its output. */
function eachMaximum(
  graph: ModelGraph,
  { input, output, kernel, stride, padding }: Extract<Layer, { op: 'maxPool' }>,
  { x, batch }: { x: Float64Array; batch: number },
  visit: (x: number, y: number) => void,
): void {
  const [channels, height, width] = graph.shapes[input] ?? [0, 0, 0]
  const [, outHeight, outWidth] = graph.shapes[output] ?? [0, 0, 0]
  for (let plane = 0; plane < batch * channels; plane += 1)
    for (let oh = 0; oh < outHeight; oh += 1)
      for (let ow = 0; ow < outWidth; ow += 1) {
        let best = -1
        for (let h = oh * stride - padding; h < oh * stride - padding + kernel; h += 1)
          for (let w = ow * stride - padding; w < ow * stride - padding + kernel; w += 1) {
            if (h < 0 || h >= height || w < 0 || w >= width) continue
            const xi = (plane * height + h) * width + w
            if (best === -1 || at(x, xi) > at(x, best)) best = xi
          }
        visit(best, (plane * outHeight + oh) * outWidth + ow)
      }
}

/** Sums `term` over images and pixels of each channel of x, (N, C, H, W). */
function perChannel(
  x: Float64Array,
  { channels, plane }: { channels: number; plane: number },
  term: (value: number, channel: number, index: number) => number,
): Float64Array {
  const sums = new Float64Array(channels)
  x.forEach((value, i) => {
    const c = Math.floor(i / plane) % channels
    sums[c] = at(sums, c) + term(value, c, i)
  })
  return sums
}

export function get(values: Values, name: string): Float64Array {
  const found = values.get(name)
  if (found === undefined) throw new RangeError(`no tensor ${name}`)
  return found
}

export function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? NaN
}
