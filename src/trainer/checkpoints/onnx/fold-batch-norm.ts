// Batch norm at evaluation is a scale and a shift of each channel: they go into the convolution before it.
import type { HostTensor, StateDict } from '../../engine.ts'
import { inputsOf, type BatchNormLayer, type ConvLayer, type ModelGraph } from '../../models/graph.ts'
import { tensorOf } from '../state-dict.ts'

/** Batch norms that follow a convolution whose output nothing else reads, by that convolution. */
export function foldableBatchNorms({ layers, logits }: ModelGraph): Map<ConvLayer, BatchNormLayer> {
  const readers = new Map<number, number>([[logits, 1]])
  for (const layer of layers) {
    for (const input of inputsOf(layer)) {
      readers.set(input, (readers.get(input) ?? 0) + 1)
    }
  }
  const convolutions = new Map(layers.flatMap((layer) => (layer.op === 'conv' ? [[layer.output, layer] as const] : [])))
  return new Map(
    layers.flatMap((layer) => {
      const conv =
        layer.op === 'batchNorm' && readers.get(layer.input) === 1 ? convolutions.get(layer.input) : undefined
      return layer.op === 'batchNorm' && conv !== undefined ? [[conv, layer] as const] : []
    }),
  )
}

/** (O, I, kH, kW): weight x s with s = gamma / sqrt(variance + epsilon) of each output channel; in float64, rounded once. */
export function foldedWeight(conv: ConvLayer, norm: BatchNormLayer, state: StateDict): HostTensor {
  const { shape, data: weight } = tensorOf(state, `${conv.name}.weight`)
  const scale = scaleOf(norm, state)
  const size = weight.length / scale.length
  const data = new Float32Array(weight.length)
  for (let i = 0; i < data.length; i += 1) data[i] = at(weight, i) * at(scale, Math.floor(i / size))
  return { shape, data }
}

/** (O): beta - mean x s. */
export function foldedBias(norm: BatchNormLayer, state: StateDict): HostTensor {
  const beta = tensorOf(state, `${norm.name}.bias`).data
  const mean = tensorOf(state, `${norm.name}.running_mean`).data
  const data = Float32Array.from(scaleOf(norm, state), (s, channel) => at(beta, channel) - at(mean, channel) * s)
  return { shape: [norm.channels], data }
}

function scaleOf({ name, channels, epsilon }: BatchNormLayer, state: StateDict): Float64Array {
  const gamma = tensorOf(state, `${name}.weight`).data
  const variance = tensorOf(state, `${name}.running_var`).data
  return Float64Array.from(
    { length: channels },
    (_, channel) => at(gamma, channel) / Math.sqrt(at(variance, channel) + epsilon),
  )
}

function at(values: Float32Array | Float64Array, index: number): number {
  return values[index] ?? NaN
}
