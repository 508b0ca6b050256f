// ResNet-18 … 152 as data (He et al. 2015, arXiv:1512.03385; the v1.5 variant of torchvision, which strides
// in the 3x3 convolution of a bottleneck).
import { TrainqlError } from '../../shared/errors.ts'
import type { Architecture } from '../../shared/run-spec.ts'
import type { Layer, ModelGraph, TensorId } from './graph.ts'

/** Kind of block, and blocks in each of the four stages. */
export const resnetStages: Readonly<
  Record<Architecture, { block: 'basic' | 'bottleneck'; depths: readonly [number, number, number, number] }>
> = {
  RESNET18: { block: 'basic', depths: [2, 2, 2, 2] },
  RESNET34: { block: 'basic', depths: [3, 4, 6, 3] },
  RESNET50: { block: 'bottleneck', depths: [3, 4, 6, 3] },
  RESNET101: { block: 'bottleneck', depths: [3, 4, 23, 3] },
  RESNET152: { block: 'bottleneck', depths: [3, 8, 36, 3] },
}

export interface ResNetOptions {
  architecture: Architecture
  input: { channels: number; height: number; width: number }
  classes: number
}

/**
 * Builds the graph of a ResNet with the 7x7 stride-2 stem and torchvision's parameter names.
 * @throws TrainqlError `INVALID_INPUT` where a dimension is not a positive whole number.
 */
export function resnet({ architecture, input, classes }: ResNetOptions): ModelGraph {
  for (const [field, value] of Object.entries({ ...input, classes })) {
    if (Number.isInteger(value) && value > 0) continue
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field,
      message: `Expected ${field} to be a positive whole number; got ${value}.`,
      fix: `Pass a positive ${field}.`,
    })
  }
  const { block, depths } = resnetStages[architecture]
  const graph = new GraphBuilder([input.channels, input.height, input.width])

  let x = graph.conv('conv1', 0, { outChannels: 64, kernel: 7, stride: 2, padding: 3 })
  x = graph.relu(graph.batchNorm('bn1', x))
  x = graph.maxPool(x, { kernel: 3, stride: 2, padding: 1 })
  depths.forEach((depth, stage) => {
    for (let index = 0; index < depth; index += 1) {
      const name = `layer${stage + 1}.${index}`
      const width = 64 * 2 ** stage
      const stride = stage > 0 && index === 0 ? 2 : 1
      x =
        block === 'basic'
          ? basicBlock(graph, name, x, { width, stride })
          : bottleneck(graph, name, x, { width, stride })
    }
  })
  const logits = graph.linear('fc', graph.globalAvgPool(x), classes)
  return {
    architecture: architecture.toLowerCase(),
    input,
    classes,
    logits,
    layers: graph.layers,
    shapes: graph.shapes,
  }
}

interface BlockOptions {
  width: number
  stride: number
}

function basicBlock(graph: GraphBuilder, name: string, input: TensorId, { width, stride }: BlockOptions): TensorId {
  let x = graph.conv(`${name}.conv1`, input, { outChannels: width, kernel: 3, stride, padding: 1 })
  x = graph.relu(graph.batchNorm(`${name}.bn1`, x))
  x = graph.conv(`${name}.conv2`, x, { outChannels: width, kernel: 3, stride: 1, padding: 1 })
  x = graph.batchNorm(`${name}.bn2`, x)
  return graph.relu(graph.add(x, shortcut(graph, name, input, { outChannels: width, stride })))
}

function bottleneck(graph: GraphBuilder, name: string, input: TensorId, { width, stride }: BlockOptions): TensorId {
  const outChannels = width * 4
  let x = graph.conv(`${name}.conv1`, input, { outChannels: width, kernel: 1, stride: 1, padding: 0 })
  x = graph.relu(graph.batchNorm(`${name}.bn1`, x))
  x = graph.conv(`${name}.conv2`, x, { outChannels: width, kernel: 3, stride, padding: 1 })
  x = graph.relu(graph.batchNorm(`${name}.bn2`, x))
  x = graph.conv(`${name}.conv3`, x, { outChannels, kernel: 1, stride: 1, padding: 0 })
  x = graph.batchNorm(`${name}.bn3`, x)
  return graph.relu(graph.add(x, shortcut(graph, name, input, { outChannels, stride })))
}

/** The identity, or a 1x1 projection where the shape changes. */
function shortcut(
  graph: GraphBuilder,
  name: string,
  input: TensorId,
  { outChannels, stride }: { outChannels: number; stride: number },
): TensorId {
  if (stride === 1 && graph.shape(input)[0] === outChannels) return input
  const projected = graph.conv(`${name}.downsample.0`, input, { outChannels, kernel: 1, stride, padding: 0 })
  return graph.batchNorm(`${name}.downsample.1`, projected)
}

type Shape = readonly [number, number, number]

interface Window {
  kernel: number
  stride: number
  padding: number
}

/** Appends layers and infers each output's shape. */
class GraphBuilder {
  readonly layers: Layer[] = []
  readonly shapes: Shape[]

  constructor(input: Shape) {
    this.shapes = [input]
  }

  shape(tensor: TensorId): Shape {
    const shape = this.shapes[tensor]
    if (shape === undefined) throw new RangeError(`no tensor ${tensor}`)
    return shape
  }

  conv(name: string, input: TensorId, options: Window & { outChannels: number }): TensorId {
    const [inChannels, height, width] = this.shape(input)
    const output = this.tensor([options.outChannels, outputSize(height, options), outputSize(width, options)])
    this.layers.push({ op: 'conv', name, input, output, inChannels, ...options })
    return output
  }

  batchNorm(name: string, input: TensorId): TensorId {
    const output = this.tensor(this.shape(input))
    this.layers.push({
      op: 'batchNorm',
      name,
      input,
      output,
      channels: this.shape(input)[0],
      epsilon: 1e-5,
      momentum: 0.1,
    })
    return output
  }

  relu(input: TensorId): TensorId {
    const output = this.tensor(this.shape(input))
    this.layers.push({ op: 'relu', input, output })
    return output
  }

  add(a: TensorId, b: TensorId): TensorId {
    const output = this.tensor(this.shape(a))
    this.layers.push({ op: 'add', inputs: [a, b], output })
    return output
  }

  maxPool(input: TensorId, options: Window): TensorId {
    const [channels, height, width] = this.shape(input)
    const output = this.tensor([channels, outputSize(height, options), outputSize(width, options)])
    this.layers.push({ op: 'maxPool', input, output, ...options })
    return output
  }

  globalAvgPool(input: TensorId): TensorId {
    const output = this.tensor([this.shape(input)[0], 1, 1])
    this.layers.push({ op: 'globalAvgPool', input, output })
    return output
  }

  linear(name: string, input: TensorId, outFeatures: number): TensorId {
    const inFeatures = this.shape(input)[0]
    const output = this.tensor([outFeatures, 1, 1])
    this.layers.push({ op: 'linear', name, input, output, inFeatures, outFeatures })
    return output
  }

  private tensor(shape: Shape): TensorId {
    this.shapes.push(shape)
    return this.shapes.length - 1
  }
}

function outputSize(size: number, { kernel, stride, padding }: Window): number {
  return Math.floor((size + 2 * padding - kernel) / stride) + 1
}
