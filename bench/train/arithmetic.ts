// How much arithmetic a training step is, so that a time becomes a share of the machine's peak.
import type { ConvLayer, ModelGraph } from '../../src/trainer/models/graph.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import type { Shape } from './tasks.ts'

export function graphOf({ architecture, classes, channels, size }: Shape): ModelGraph {
  return resnet({ architecture, classes, input: { channels, height: size, width: size } })
}

/**
 * Floating-point operations of one step in convolutions and linear layers, two for each multiply-add: forward, weight
 * gradient, and data gradient but for the first layer's. Direct convolutions whose taps on padding are not computed
 * are counted, whatever a side does: an algorithm that saves multiplications, such as Winograd's, may exceed a peak.
 */
export function flopsPerStep(shape: Shape): number {
  const graph = graphOf(shape)
  let products = 0
  for (const layer of graph.layers) {
    // Nothing lies below the image batch, tensor 0, that would want its gradient.
    if (layer.op === 'conv') products += convolutionProducts(graph, layer) * (layer.input === 0 ? 2 : 3)
    if (layer.op === 'linear') products += layer.inFeatures * layer.outFeatures * 3
  }
  return 2 * products * shape.globalBatch
}

function convolutionProducts({ shapes }: ModelGraph, layer: ConvLayer): number {
  const [, height = 0, width = 0] = shapes[layer.input] ?? []
  const [, outHeight = 0, outWidth = 0] = shapes[layer.output] ?? []
  return validTaps(layer, height, outHeight) * validTaps(layer, width, outWidth) * layer.inChannels * layer.outChannels
}

/** Pairs of output position and tap along one axis that meet the image and not its padding. */
function validTaps({ kernel, stride, padding }: ConvLayer, size: number, outSize: number): number {
  let taps = 0
  for (let position = 0; position < outSize; position += 1) {
    for (let tap = 0; tap < kernel; tap += 1) {
      const at = position * stride - padding + tap
      if (at >= 0 && at < size) taps += 1
    }
  }
  return taps
}
