// Small networks that exercise every layer, stride, padding and map size, quick enough for the slowest engine.
import type { Layer, ModelGraph, TensorId } from '../../src/trainer/models/graph.ts'

type Shape = readonly [number, number, number]
interface Window {
  kernel: number
  stride?: number
  padding?: number
}

/** Appends layers to a graph; each function gives its output's tensor. */
function build(architecture: string, [channels, height, width]: Shape, classes: number) {
  const layers: Layer[] = []
  const shapes: Shape[] = [[channels, height, width]]
  const shapeOf = (id: TensorId): Shape => shapes[id] ?? [0, 0, 0]
  const tensor = (shape: Shape): TensorId => shapes.push(shape) - 1
  const slide = ([, h, w]: Shape, { kernel, stride = 1, padding = 0 }: Window): [number, number] => [
    Math.floor((h + 2 * padding - kernel) / stride) + 1,
    Math.floor((w + 2 * padding - kernel) / stride) + 1,
  ]
  const net = {
    conv(name: string, input: TensorId, outChannels: number, window: Window): TensorId {
      const { kernel, stride = 1, padding = 0 } = window
      const output = tensor([outChannels, ...slide(shapeOf(input), window)])
      const [inChannels] = shapeOf(input)
      layers.push({ op: 'conv', name, input, output, inChannels, outChannels, kernel, stride, padding })
      return output
    },
    norm(name: string, input: TensorId): TensorId {
      const output = tensor(shapeOf(input))
      layers.push({ op: 'batchNorm', name, input, output, channels: shapeOf(input)[0], epsilon: 1e-5, momentum: 0.1 })
      return output
    },
    relu(input: TensorId): TensorId {
      const output = tensor(shapeOf(input))
      layers.push({ op: 'relu', input, output })
      return output
    },
    add(a: TensorId, b: TensorId): TensorId {
      const output = tensor(shapeOf(a))
      layers.push({ op: 'add', inputs: [a, b], output })
      return output
    },
    maxPool(input: TensorId, window: Window): TensorId {
      const { kernel, stride = 1, padding = 0 } = window
      const output = tensor([shapeOf(input)[0], ...slide(shapeOf(input), window)])
      layers.push({ op: 'maxPool', input, output, kernel, stride, padding })
      return output
    },
    /** Global average pool and linear layer: the end of the graph. */
    head(input: TensorId): ModelGraph {
      const [inFeatures] = shapeOf(input)
      const pooled = tensor([inFeatures, 1, 1])
      layers.push({ op: 'globalAvgPool', input, output: pooled })
      const logits = tensor([classes, 1, 1])
      layers.push({ op: 'linear', name: 'fc', input: pooled, output: logits, inFeatures, outFeatures: classes })
      return { architecture, input: { channels, height, width }, classes, layers, shapes, logits }
    },
    /** conv, batch norm, relu. */
    block(name: string, input: TensorId, outChannels: number, window: Window): TensorId {
      return net.relu(net.norm(`${name}.bn`, net.conv(`${name}.conv`, input, outChannels, window)))
    },
  }
  return net
}

/** Every layer, with windows that leave rows over, a rectangular image and a projected residual. */
export function everyLayer(): ModelGraph {
  const net = build('every-layer', [3, 12, 9], 5)
  let x = net.block('stem', 0, 6, { kernel: 5, stride: 2, padding: 2 })
  x = net.maxPool(x, { kernel: 3, stride: 2, padding: 1 })
  const main = net.norm('main.bn', net.conv('main.conv', x, 8, { kernel: 3, stride: 2, padding: 1 }))
  const projected = net.norm('shortcut.bn', net.conv('shortcut.conv', x, 8, { kernel: 1, stride: 2 }))
  x = net.relu(net.add(main, projected))
  const inner = net.norm('inner.bn', net.conv('inner.conv', x, 8, { kernel: 3, padding: 1 }))
  return net.head(net.relu(net.add(inner, x)))
}

/** Convolutions without a ReLU, whose mask magnifies rounding; the second tells the first one's pixels apart. */
export function bareImages(channels: number, { kernel, stride }: { kernel: number; stride: number }): ModelGraph {
  const net = build('bare-images', [channels, 13, 22], 5)
  const x = net.conv('conv1', 0, 40, { kernel, stride, padding: Math.floor(kernel / 2) })
  return net.head(net.conv('conv2', x, 8, { kernel: 3, stride: 2 }))
}

/** A convolution whose outputs a max pool reads as they are: negative, and often equal. */
export function bareMaxPool(): ModelGraph {
  const net = build('bare-max-pool', [1, 7, 7], 3)
  const x = net.conv('conv', 0, 4, { kernel: 3, padding: 1 })
  return net.head(net.maxPool(x, { kernel: 3, stride: 2, padding: 1 }))
}

/** Convolutions of every stride and kernel without batch norm, which keeps rounding errors as small as they arise. */
export function bareConvolutions(): ModelGraph {
  const net = build('bare-convolutions', [3, 11, 9], 5)
  let x = net.relu(net.conv('conv1', 0, 7, { kernel: 5, stride: 2, padding: 2 }))
  x = net.relu(net.conv('conv2', x, 9, { kernel: 3, padding: 1 }))
  x = net.relu(net.conv('conv3', x, 37, { kernel: 3, stride: 2, padding: 1 }))
  x = net.add(net.conv('conv4', x, 40, { kernel: 1 }), net.conv('conv5', x, 40, { kernel: 3, padding: 1 }))
  return net.head(net.conv('conv6', x, 6, { kernel: 3, stride: 2, padding: 1 }))
}

/** Batch norms whose input comes from a sum, or from a convolution that another layer reads too. */
export function sharedConvolutions(): ModelGraph {
  const net = build('shared-convolutions', [3, 9, 11], 4)
  const stem = net.conv('stem', 0, 8, { kernel: 3, stride: 2, padding: 1 })
  const inner = net.norm('inner.bn', net.conv('inner', stem, 8, { kernel: 3, padding: 1 }))
  const x = net.relu(net.norm('sum.bn', net.add(net.norm('stem.bn', stem), inner)))
  return net.head(net.add(x, stem))
}

/** A ResNet of narrow basic blocks on 28x28x1: the last maps are 1x1, where most taps meet padding alone. */
export function narrowResNet(): ModelGraph {
  const net = build('narrow-resnet', [1, 28, 28], 10)
  let x = net.block('stem', 0, 8, { kernel: 7, stride: 2, padding: 3 })
  x = net.maxPool(x, { kernel: 3, stride: 2, padding: 1 })
  ;[8, 16, 16, 32].forEach((width, stage) => {
    const stride = stage === 0 ? 1 : 2
    const name = `layer${stage + 1}.0`
    const input = x
    x = net.block(`${name}.1`, x, width, { kernel: 3, stride, padding: 1 })
    x = net.norm(`${name}.bn2`, net.conv(`${name}.conv2`, x, width, { kernel: 3, padding: 1 }))
    const shortcut =
      stage === 0
        ? input
        : net.norm(`${name}.downsample.1`, net.conv(`${name}.downsample.0`, input, width, { kernel: 1, stride }))
    x = net.relu(net.add(x, shortcut))
  })
  return net.head(x)
}

/** Two bottlenecks, the second strided in its 3x3 convolution, on 16x16x3. */
export function narrowBottlenecks(): ModelGraph {
  const net = build('narrow-bottlenecks', [3, 16, 16], 7)
  let x = net.block('stem', 0, 8, { kernel: 3, stride: 2, padding: 1 })
  for (const [index, stride] of [1, 2].entries()) {
    const name = `layer${index + 1}.0`
    const input = x
    x = net.block(`${name}.1`, x, 8, { kernel: 1 })
    x = net.block(`${name}.2`, x, 8, { kernel: 3, stride, padding: 1 })
    x = net.norm(`${name}.bn3`, net.conv(`${name}.conv3`, x, 32, { kernel: 1 }))
    const projected = net.conv(`${name}.downsample.0`, input, 32, { kernel: 1, stride })
    x = net.relu(net.add(x, net.norm(`${name}.downsample.1`, projected)))
  }
  return net.head(x)
}

/** Whole panels of channels on 2x2 and 1x1 maps: strided, with a shortcut whose gradient is added, and 1x1 convolutions. */
export function manyChannels(): ModelGraph {
  const net = build('many-channels', [1, 8, 8], 6)
  let x = net.block('stem', 0, 32, { kernel: 3, stride: 2, padding: 1 })
  x = net.block('down', x, 64, { kernel: 3, stride: 2, padding: 1 })
  for (const [index, stride] of [1, 2].entries()) {
    const name = `layer${index + 1}`
    const input = x
    x = net.block(`${name}.1`, x, 32, { kernel: 1 })
    x = net.block(`${name}.2`, x, 96, { kernel: 3, stride, padding: 1 })
    x = net.norm(`${name}.bn3`, net.conv(`${name}.conv3`, x, 64, { kernel: 3, padding: 1 }))
    const projected = net.norm(`${name}.bn4`, net.conv(`${name}.conv4`, input, 64, { kernel: 1, stride }))
    x = net.relu(net.add(x, projected))
  }
  return net.head(x)
}
