// What a model is made of, layer by layer, and what it costs to compute: pure arithmetic on the graph.
import type { Layer, ModelGraph } from './graph.ts'
import { elementCount, layerEntries } from './parameters.ts'

export interface LayerSummary {
  /** As torchvision names the module; layers without parameters are named after the block they stand in. */
  name: string
  op: Layer['op']
  /** (C, H, W) of one image. */
  outputShape: readonly [number, number, number]
  /** Trained values: weights, biases, scales and shifts. */
  parameters: number
  /**
   * Of one image, forward. Convolutions and linear layers alone, taps on padding included: so published counts are made
   * (torchvision's `_ops`). Everything else together is about a hundredth of it.
   */
  multiplyAdds: number
  /** FLOPs of one image, forward: two a multiply-add. */
  forwardFlops: number
  /**
   * FLOPs of one image in a training step: forward, gradient of the weights, and gradient of the input, each as much;
   * what reads the image itself needs no gradient of its input.
   */
  trainingFlops: number
  /** Values of its output for one image. */
  activations: number
}

export interface ModelSummary {
  architecture: string
  input: ModelGraph['input']
  classes: number
  layers: LayerSummary[]
  // Sums over the layers.
  parameters: number
  multiplyAdds: number
  forwardFlops: number
  trainingFlops: number
  activations: number
}

export function summarise(graph: ModelGraph): ModelSummary {
  const names = layerNames(graph)
  const layers = graph.layers.map((layer, index) => summariseLayer(graph, layer, names[index] ?? ''))
  const sum = (value: (layer: LayerSummary) => number): number =>
    layers.reduce((total, layer) => total + value(layer), 0)
  return {
    architecture: graph.architecture,
    input: graph.input,
    classes: graph.classes,
    layers,
    parameters: sum(({ parameters }) => parameters),
    multiplyAdds: sum(({ multiplyAdds }) => multiplyAdds),
    forwardFlops: sum(({ forwardFlops }) => forwardFlops),
    trainingFlops: sum(({ trainingFlops }) => trainingFlops),
    activations: sum(({ activations }) => activations),
  }
}

function summariseLayer(graph: ModelGraph, layer: Layer, name: string): LayerSummary {
  const outputShape = graph.shapes[layer.output] ?? [0, 0, 0]
  const entries = layerEntries(layer).filter(({ role }) => role === 'weight' || role === 'bias')
  const multiplyAdds = multiplyAddsOf(layer, outputShape)
  const forwardFlops = 2 * multiplyAdds
  return {
    name,
    op: layer.op,
    outputShape,
    parameters: entries.reduce((total, { shape }) => total + elementCount(shape), 0),
    multiplyAdds,
    forwardFlops,
    trainingFlops: forwardFlops * (readsImages(layer) ? 2 : 3),
    activations: elementCount(outputShape),
  }
}

function multiplyAddsOf(layer: Layer, [channels, height, width]: readonly [number, number, number]): number {
  if (layer.op === 'conv') return channels * height * width * layer.inChannels * layer.kernel ** 2
  return layer.op === 'linear' ? layer.inFeatures * layer.outFeatures : 0
}

function readsImages(layer: Layer): boolean {
  return layer.op === 'add' ? layer.inputs.includes(0) : layer.input === 0
}

const words: Record<Layer['op'], string> = {
  conv: 'conv',
  batchNorm: 'bn',
  relu: 'relu',
  add: 'add',
  maxPool: 'maxpool',
  globalAvgPool: 'avgpool',
  linear: 'fc',
}

/**
 * A name for every layer, each once: `layer1.0.conv1` where there are parameters; else `layer1.0.relu`, after the block of
 * the layer before, and `layer1.0.relu_1` for the second there, as torch.fx numbers calls. Pools belong to no block.
 */
export function layerNames(graph: ModelGraph): string[] {
  const taken = new Map<string, number>()
  let block = ''
  return graph.layers.map((layer) => {
    if ('name' in layer) {
      block = layer.name
        .split('.')
        .slice(0, -1)
        .join('.')
        .replace(/(^|\.)downsample$/, '')
      return layer.name
    }
    const pool = layer.op === 'maxPool' || layer.op === 'globalAvgPool'
    const name = `${pool || block === '' ? '' : `${block}.`}${words[layer.op]}`
    const earlier = taken.get(name) ?? 0
    taken.set(name, earlier + 1)
    return earlier === 0 ? name : `${name}_${earlier}`
  })
}
