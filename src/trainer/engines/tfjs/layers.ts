// Forward and backward of each layer of a model graph on TensorFlow.js, written out by hand: the readable oracle.
// Here activations are (N, H, W, C), convolution weights (kH, kW, I, O), linear weights (in, out).
import type { Rank, Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { BatchNormLayer, ConvLayer, Layer, LinearLayer, MaxPoolLayer } from '../../models/graph.ts'
import { covered, meets, pixelsUnderTap, spreadUnderTap, uncovered, type Tf } from './windows.ts'

/** TensorFlow.js with what its backend can do. */
export interface Operations {
  tf: Tf
  /** The backend has the kernel Conv2DBackpropFilter. */
  hasFilterGradient: boolean
}

/** Gradients a layer passes back: one for each input, and one for each of its parameters by name. */
export interface Gradients {
  inputs: Tensor[]
  parameters: Map<string, Tensor>
}

export interface Forward {
  output: Tensor
  /** Of batch norm in training: mean and unbiased variance of this shard, (C) each, by name of the running value. */
  statistics: Map<string, Tensor>
  /** Takes the loss gradient of `output`. */
  backward: (dOutput: Tensor) => Gradients
}

export type Mode = 'training' | 'inference'

/** Runs one layer. `read` gives its parameters and running statistics by name. Call inside `tf.tidy`. */
export function forwardLayer(
  operations: Operations,
  layer: Layer,
  { inputs, read, mode }: { inputs: readonly Tensor[]; read: (name: string) => Tensor; mode: Mode },
): Forward {
  const [x, other] = inputs
  if (x === undefined) throw new RangeError(`a ${layer.op} layer needs an input`)
  const { tf } = operations
  switch (layer.op) {
    case 'conv':
      return conv(operations, layer, x as Tensor4D, read(`${layer.name}.weight`) as Tensor4D)
    case 'batchNorm': {
      const parameters = { scale: read(`${layer.name}.weight`), shift: read(`${layer.name}.bias`) }
      if (mode === 'training') return batchNormTraining(tf, layer, x as Tensor4D, parameters)
      const running = { mean: read(`${layer.name}.running_mean`), variance: read(`${layer.name}.running_var`) }
      return withoutBackward(
        x.sub(running.mean).div(deviation(running.variance, layer)).mul(parameters.scale).add(parameters.shift),
      )
    }
    case 'relu': {
      const output = tf.relu(x)
      return { output, statistics: new Map(), backward: (dy) => onlyInputs(dy.mul(tf.step(output))) }
    }
    case 'add': {
      if (other === undefined) throw new RangeError('an add layer needs two inputs')
      return { output: x.add(other), statistics: new Map(), backward: (dy) => onlyInputs(dy, dy) }
    }
    case 'maxPool':
      return maxPool(tf, layer, x as Tensor4D)
    case 'globalAvgPool': {
      const [n, height, width, channels] = (x as Tensor4D).shape
      return {
        output: x.mean([1, 2]), // (N, C)
        statistics: new Map(),
        backward: (dy) =>
          onlyInputs(
            dy
              .div(height * width)
              .reshape([n, 1, 1, channels])
              .tile([1, height, width, 1]),
          ),
      }
    }
    case 'linear':
      return linear(tf, layer, x as Tensor2D, {
        weight: read(`${layer.name}.weight`) as Tensor2D,
        bias: read(`${layer.name}.bias`) as Tensor1D,
      })
    default:
      return layer satisfies never
  }
}

function conv(operations: Operations, layer: ConvLayer, x: Tensor4D, weight: Tensor4D): Forward {
  const { tf } = operations
  const padded = covered(tf, x, layer, 0)
  return {
    output: tf.conv2d(padded, weight, layer.stride, 'valid'),
    statistics: new Map(),
    backward: (dOutput) => {
      const dy = dOutput as Tensor4D
      const parameters = new Map([
        [`${layer.name}.weight`, tf.tidy(() => filterGradient(operations, layer, { x, padded, dy }))],
      ])
      // Nobody asks for the gradient of the images.
      if (layer.input === 0) return { inputs: [], parameters }
      const dPadded = tf.conv2dTranspose(dy, weight, padded.shape, layer.stride, 'valid')
      return { inputs: [uncovered(tf, dPadded, layer, x.shape)], parameters }
    },
  }
}

/** Gradient of the weight, (kH, kW, I, O): for each tap, the pixels it met, times the gradient it met them for. */
function filterGradient(
  { tf, hasFilterGradient }: Operations,
  { kernel, stride, padding, inChannels, outChannels }: ConvLayer,
  { x, padded, dy }: { x: Tensor4D; padded: Tensor4D; dy: Tensor4D },
): Tensor {
  const [n, outHeight, outWidth] = dy.shape
  const filterShape: [number, number, number, number] = [kernel, kernel, inChannels, outChannels]
  if (hasFilterGradient) {
    const attributes = { strides: [stride, stride], pad: 'valid', dataFormat: 'NHWC', filterShape }
    return tf.engine().runKernel<Tensor>('Conv2DBackpropFilter', { x: padded, dy }, attributes)
  }
  const dyRows = tf.reshape<Rank.R2>(dy, [n * outHeight * outWidth, outChannels])
  const taps: Tensor[] = []
  for (let row = 0; row < kernel; row += 1) {
    for (let column = 0; column < kernel; column += 1) {
      const [, height, width] = x.shape
      const meetsPixels =
        meets({ tap: row, stride, padding, pixels: height, outputs: outHeight }) &&
        meets({ tap: column, stride, padding, pixels: width, outputs: outWidth })
      if (!meetsPixels) {
        taps.push(tf.zeros([inChannels, outChannels]))
        continue
      }
      const met = pixelsUnderTap(tf, padded, { kernel, stride, padding }, row * kernel + column) // (N, OH, OW, I)
      // Transposed apart from the product: the wasm backend's product with transposeA takes a slow path.
      const metColumns = tf.reshape<Rank.R2>(met, [n * outHeight * outWidth, inChannels]).transpose()
      taps.push(tf.matMul(metColumns, dyRows))
    }
  }
  return tf.stack(taps).reshape(filterShape)
}

/**
 * Batch normalisation over N, H and W (Ioffe & Szegedy 2015, arXiv:1502.03167): biased variance to normalise,
 * unbiased variance for the running value, as torch.nn.BatchNorm2d.
 */
function batchNormTraining(
  tf: Tf,
  layer: BatchNormLayer,
  x: Tensor4D,
  { scale, shift }: { scale: Tensor; shift: Tensor },
): Forward {
  const [batch, height, width] = x.shape
  const n = batch * height * width
  const mean = perChannelSum(x).div(n)
  const centred = x.sub(mean)
  const variance = perChannelSum(centred.square()).div(n)
  const std = deviation(variance, layer)
  const normalised = centred.div(std)
  return {
    output: normalised.mul(scale).add(shift),
    statistics: new Map([
      [`${layer.name}.running_mean`, mean],
      [`${layer.name}.running_var`, variance.mul(n / (n - 1))],
    ]),
    backward: (dy) => {
      const dShift = perChannelSum(dy)
      const dScale = perChannelSum(dy.mul(normalised))
      const dx = tf.tidy(() =>
        dy
          .sub(dShift.div(n))
          .sub(normalised.mul(dScale.div(n)))
          .mul(scale.div(std)),
      )
      return {
        inputs: [dx],
        parameters: new Map([
          [`${layer.name}.weight`, dScale],
          [`${layer.name}.bias`, dShift],
        ]),
      }
    },
  }
}

/** (N, H, W, C) to (C), image by image first: shorter chains of additions, less rounding. */
function perChannelSum(x: Tensor): Tensor {
  return x.sum([1, 2]).sum(0)
}

function deviation(variance: Tensor, { epsilon }: BatchNormLayer): Tensor {
  return variance.add(epsilon).sqrt()
}

/**
 * Padding counts as minus infinity; of equal maxima the first takes the gradient; NaN is larger than any number:
 * as torch.nn.MaxPool2d. Written out by taps because backends differ: the wasm backend's gradient takes the last of
 * equal maxima, and the first pixel of a window without a positive one.
 */
function maxPool(tf: Tf, layer: MaxPoolLayer, x: Tensor4D): Forward {
  const { kernel } = layer
  const padded = covered(tf, x, layer, -Infinity)
  // Which tap, row by row, holds the maximum: (N, OH, OW, C).
  const [output, chosen] = tf.tidy(() => {
    let largest = pixelsUnderTap(tf, padded, layer, 0)
    let tapOfLargest = tf.zerosLike(largest)
    for (let tap = 1; tap < kernel * kernel; tap += 1) {
      const pixels = pixelsUnderTap(tf, padded, layer, tap)
      const isLarger = tf.logicalOr(pixels.greater(largest), tf.isNaN(pixels))
      largest = tf.where(isLarger, pixels, largest)
      tapOfLargest = tf.where(isLarger, tf.fill(pixels.shape, tap), tapOfLargest)
    }
    return [largest, tapOfLargest]
  })
  return {
    output,
    statistics: new Map(),
    backward: (dOutput) => {
      const dy = dOutput as Tensor4D
      const dPadded = tf.tidy(() => {
        let sum = tf.zerosLike(padded)
        for (let tap = 0; tap < kernel * kernel; tap += 1) {
          const taken = dy.mul<Tensor4D>(chosen.equal(tap).cast('float32'))
          sum = sum.add(spreadUnderTap(tf, taken, layer, { tap, shape: padded.shape }))
        }
        return sum
      })
      return onlyInputs(uncovered(tf, dPadded, layer, x.shape))
    },
  }
}

function linear(
  tf: Tf,
  layer: LinearLayer,
  x: Tensor2D,
  { weight, bias }: { weight: Tensor2D; bias: Tensor1D },
): Forward {
  return {
    output: tf.matMul(x, weight).add(bias), // (N, out)
    statistics: new Map(),
    backward: (dOutput) => {
      const dy = dOutput as Tensor2D
      return {
        inputs: [tf.matMul(dy, weight, false, true)],
        parameters: new Map<string, Tensor>([
          [`${layer.name}.weight`, tf.matMul(x, dy, true)],
          [`${layer.name}.bias`, dy.sum(0)],
        ]),
      }
    },
  }
}

function onlyInputs(...inputs: Tensor[]): Gradients {
  return { inputs, parameters: new Map() }
}

function withoutBackward(output: Tensor): Forward {
  return {
    output,
    statistics: new Map(),
    backward: () => {
      throw new Error('Batch norm with running statistics is for inference alone.')
    },
  }
}
