// Ground truth for the engines: the training arithmetic in float64 with naive loops, layer by layer as a textbook
// writes it. Independent of every engine; itself checked by finite differences and against PyTorch.
import type { OptimizerSpec } from '../../src/shared/run-spec.ts'
import type { Batch, StateDict } from '../../src/trainer/engine.ts'
import type { ConvLayer, Layer, ModelGraph } from '../../src/trainer/models/graph.ts'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'

export type Values = Map<string, Float64Array>

export interface ReferenceGradients {
  loss: number
  /** Summed over shards, by parameter name, canonical layout. */
  gradients: Values
  /** Mean over shards of batch mean and unbiased variance, by name of the running value. */
  statistics: Values
}

export interface Reference {
  /** State dict in float64. */
  state: Values
  /** By `${slot}.${parameter}`. */
  slots: Values
  gradients(batch: Batch): ReferenceGradients
  step(batch: Batch, learningRate: number): number
  /** Logits (n, classes) with running statistics. */
  predict(images: ArrayLike<number>): Float64Array
  evaluate(batch: Batch): { images: number; lossSum: number; correct: number }
}

interface ReferenceSpec {
  graph: ModelGraph
  shards: number
  optimizer: OptimizerSpec
}

export function createReference({ graph, shards, optimizer }: ReferenceSpec, initial: StateDict): Reference {
  const state: Values = new Map([...initial].map(([name, { data }]) => [name, Float64Array.from(data)]))
  const slots: Values = new Map()
  let updates = 0

  function gradients({ images, labels }: Batch): ReferenceGradients {
    const shardBatch = labels.length / shards
    const pixels = images.length / shards
    const parts = Array.from({ length: shards }, (_, shard) => {
      const shardLabels = labels.subarray(shard * shardBatch, (shard + 1) * shardBatch)
      const shardImages = Float64Array.from(images.subarray(shard * pixels, (shard + 1) * pixels))
      return shardGradients({ graph, state }, { images: shardImages, labels: shardLabels, scale: 1 / labels.length })
    })
    const sum = (pick: (part: ReferenceGradients) => Values, scale: number): Values => {
      const total: Values = new Map()
      for (const part of parts)
        for (const [name, values] of pick(part)) {
          const into = total.get(name) ?? new Float64Array(values.length)
          values.forEach((value, i) => (into[i] = at(into, i) + scale * value))
          total.set(name, into)
        }
      return total
    }
    return {
      loss: parts.reduce((total, { loss }) => total + loss, 0),
      gradients: sum((part) => part.gradients, 1),
      statistics: sum((part) => part.statistics, 1 / shards),
    }
  }

  function step(batch: Batch, learningRate: number): number {
    const result = gradients(batch)
    updates += 1
    for (const { name } of parameterEntries(graph))
      update(optimizer, { name, state, slots }, { gradient: get(result.gradients, name), updates, learningRate })
    for (const layer of graph.layers) {
      if (layer.op !== 'batchNorm') continue
      for (const name of [`${layer.name}.running_mean`, `${layer.name}.running_var`]) {
        const batchValues = get(result.statistics, name)
        const running = get(state, name)
        running.forEach((value, c) => (running[c] = (1 - layer.momentum) * value + layer.momentum * at(batchValues, c)))
      }
      const tracked = get(state, `${layer.name}.num_batches_tracked`)
      tracked[0] = at(tracked, 0) + 1
    }
    return result.loss
  }

  function predict(images: ArrayLike<number>): Float64Array {
    const { channels, height, width } = graph.input
    const count = images.length / (channels * height * width)
    const values = run({ graph, state }, Float64Array.from(images), count, 'inference').values
    return values[graph.logits] ?? new Float64Array()
  }

  return {
    state,
    slots,
    gradients,
    step,
    predict,
    evaluate: ({ images, labels }) => {
      const { loss, correct } = crossEntropy(predict(images), labels, 1)
      return { images: labels.length, lossSum: loss, correct }
    },
  }
}

interface Model {
  graph: ModelGraph
  state: Values
}

function update(
  optimizer: OptimizerSpec,
  { name, state, slots }: { name: string; state: Values; slots: Values },
  { gradient, updates, learningRate }: { gradient: Float64Array; updates: number; learningRate: number },
): void {
  const weights = get(state, name)
  const slot = (kind: string): Float64Array => {
    const values = slots.get(`${kind}.${name}`) ?? new Float64Array(weights.length)
    slots.set(`${kind}.${name}`, values)
    return values
  }
  weights.forEach((weight, i) => {
    const g = at(gradient, i) + optimizer.weightDecay * weight
    if (optimizer.kind === 'SGD') {
      const buffer = slot('momentum_buffer')
      buffer[i] = updates === 1 ? g : optimizer.momentum * at(buffer, i) + g
      weights[i] = weight - learningRate * buffer[i]
      return
    }
    const { beta1, beta2, epsilon } = optimizer
    const mean = slot('exp_avg')
    const square = slot('exp_avg_sq')
    mean[i] = beta1 * at(mean, i) + (1 - beta1) * g
    square[i] = beta2 * at(square, i) + (1 - beta2) * g * g
    const meanHat = mean[i] / (1 - beta1 ** updates)
    const squareHat = square[i] / (1 - beta2 ** updates)
    weights[i] = weight - (learningRate * meanHat) / (Math.sqrt(squareHat) + epsilon)
  })
}

function shardGradients(
  model: Model,
  { images, labels, scale }: { images: Float64Array; labels: Int32Array; scale: number },
): ReferenceGradients {
  const { graph } = model
  const { values, statistics, batchStatistics } = run(model, images, labels.length, 'training')
  const { loss, gradient } = crossEntropy(values[graph.logits] ?? new Float64Array(), labels, scale)

  const gradients: Values = new Map()
  const gradientOf = values.map((value) => new Float64Array(value.length))
  gradientOf[graph.logits] = gradient
  for (const layer of [...graph.layers].reverse()) {
    const dy = gradientOf[layer.output] ?? new Float64Array()
    const inputs = layer.op === 'add' ? layer.inputs : [layer.input]
    const xs = inputs.map((id) => values[id] ?? new Float64Array())
    const result = backward(model, layer, { xs, dy, batch: labels.length, batchStatistics })
    for (const [name, values] of result.parameters) gradients.set(name, values)
    inputs.forEach((id, position) => {
      const into = gradientOf[id] ?? new Float64Array()
      result.inputs[position]?.forEach((value, i) => (into[i] = at(into, i) + value))
    })
  }
  return { loss, gradients, statistics }
}

/** Sum of -log softmax times `scale`, its gradient, and how many largest logits are the label's. */
function crossEntropy(logits: Float64Array, labels: Int32Array, scale: number) {
  const classes = logits.length / labels.length
  const gradient = new Float64Array(logits.length)
  let loss = 0
  let correct = 0
  labels.forEach((label, image) => {
    const row = Array.from(logits.subarray(image * classes, (image + 1) * classes))
    const largest = Math.max(...row)
    const sum = row.reduce((total, logit) => total + Math.exp(logit - largest), 0)
    loss -= scale * (at(row, label) - largest - Math.log(sum))
    row.forEach((logit, k) => {
      gradient[image * classes + k] = scale * (Math.exp(logit - largest) / sum - (k === label ? 1 : 0))
    })
    if (row.indexOf(largest) === label) correct += 1
  })
  return { loss, gradient, correct }
}

interface BatchStatistics {
  mean: Float64Array
  variance: Float64Array
}

function run({ graph, state }: Model, images: Float64Array, batch: number, mode: 'training' | 'inference') {
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

function backward(
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

function get(values: Values, name: string): Float64Array {
  const found = values.get(name)
  if (found === undefined) throw new RangeError(`no tensor ${name}`)
  return found
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? NaN
}
