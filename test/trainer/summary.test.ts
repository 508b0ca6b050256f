// The model summary: published totals, PyTorch's own counts, and the arithmetic by hand on a small graph.
import { describe, expect, test } from 'vitest'
import type { Architecture } from '../../src/shared/run-spec.ts'
import { estimateMemory } from '../../src/trainer/models/memory.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { layerNames, summarise } from '../../src/trainer/models/summary.ts'
import { bareMaxPool, everyLayer } from '../engine/nets.ts'

const imagenet = { input: { channels: 3, height: 224, width: 224 }, classes: 1000 }

describe('the whole model', () => {
  test.each<[Architecture, number, string]>([
    // `num_params` and `_ops` of torchvision's weights.
    ['RESNET18', 11_689_512, '1.814'],
    ['RESNET34', 21_797_672, '3.664'],
    ['RESNET50', 25_557_032, '4.089'],
    ['RESNET101', 44_549_160, '7.801'],
    ['RESNET152', 60_192_808, '11.514'],
  ])('%s has its published parameters and multiply-adds', (architecture, parameters, billions) => {
    const summary = summarise(resnet({ architecture, ...imagenet }))
    expect(summary.parameters).toBe(parameters)
    expect((summary.multiplyAdds / 1e9).toFixed(3)).toBe(billions)
  })

  test.each<[Architecture, number, number]>([
    // torch.utils.flop_counter (PyTorch 2.15) of one image: forward, and forward with backward.
    ['RESNET18', 3_628_146_688, 10_648_412_160],
    ['RESNET50', 8_178_368_512, 24_299_077_632],
  ])('%s has the FLOPs that PyTorch counts', (architecture, forward, training) => {
    const summary = summarise(resnet({ architecture, ...imagenet }))
    expect(summary).toMatchObject({ forwardFlops: forward, trainingFlops: training })
  })
})

describe('layers', () => {
  const { layers } = summarise(resnet({ architecture: 'RESNET18', ...imagenet }))

  test('have names of their own, torchvision order, shapes and counts', () => {
    expect(layers.slice(0, 11).map(({ name }) => name)).toEqual([
      'conv1',
      'bn1',
      'relu',
      'maxpool',
      'layer1.0.conv1',
      'layer1.0.bn1',
      'layer1.0.relu',
      'layer1.0.conv2',
      'layer1.0.bn2',
      'layer1.0.add',
      'layer1.0.relu_1',
    ])
    expect(layers.map(({ name }) => name)).toContain('layer2.0.downsample.0')
    expect(layers.slice(-3).map(({ name }) => name)).toEqual(['layer4.1.relu_1', 'avgpool', 'fc'])
    expect(layers[0]).toEqual({
      name: 'conv1',
      op: 'conv',
      outputShape: [64, 112, 112],
      parameters: 64 * 3 * 49,
      multiplyAdds: 64 * 3 * 49 * 112 * 112,
      forwardFlops: 2 * 64 * 3 * 49 * 112 * 112,
      // No gradient of the images.
      trainingFlops: 4 * 64 * 3 * 49 * 112 * 112,
      activations: 64 * 112 * 112,
    })
    expect(layers.find(({ name }) => name === 'layer4.1.bn2')).toEqual({
      name: 'layer4.1.bn2',
      op: 'batchNorm',
      outputShape: [512, 7, 7],
      parameters: 1024,
      multiplyAdds: 0,
      forwardFlops: 0,
      trainingFlops: 0,
      activations: 512 * 49,
    })
    expect(layers.at(-1)).toMatchObject({ parameters: 513_000, forwardFlops: 1_024_000, trainingFlops: 3_072_000 })
  })

  test.each(['RESNET18', 'RESNET50'] as const)('of %s have each name once', (architecture) => {
    const names = layerNames(resnet({ architecture, ...imagenet }))
    expect(new Set(names).size).toBe(names.length)
  })

  test('add up to the totals', () => {
    const graph = everyLayer()
    const summary = summarise(graph)
    // stem 6x6x5 maps by 5x5x3 taps, main 8x2x2 by 3x3x6, shortcut 8x2x2 by 6, inner 8x2x2 by 3x3x8, fc 8x5.
    const products = { stem: 6 * 6 * 5 * 75, main: 32 * 54, shortcut: 32 * 6, inner: 32 * 72, fc: 40 }
    expect(summary.multiplyAdds).toBe(Object.values(products).reduce((sum, value) => sum + value, 0))
    expect(summary.trainingFlops).toBe(6 * summary.multiplyAdds - 2 * products.stem)
    expect(summary.activations).toBe(graph.shapes.slice(1).reduce((sum, [c, h, w]) => sum + c * h * w, 0))
    expect(summary).toMatchObject({ architecture: 'every-layer', classes: 5, input: graph.input })
  })
})

describe('memory', () => {
  const settings = { globalBatch: 8, shards: 4, devices: 1, optimizer: { kind: 'SGD' }, precision: 'FP32' } as const
  const plan = { graph: bareMaxPool(), ...settings }

  test('by hand: one convolution, a pool and a linear layer', () => {
    // Parameters: 4 filters of 3x3, and 3 x 4 + 3. At the peak, in the pool's backward, each image holds its 7x7 pixels
    // and, of 4 channels, the gradients on both sides of the pool: 7x7 and 4x4 pixels. Of 4 shards two are at work.
    const gradientBytes = 4 * 51 * 2
    const activationBytes = 2 * 4 * 2 * (49 + 4 * 49 + 4 * 16)
    const replicaBytes = gradientBytes + activationBytes
    expect(estimateMemory(plan)).toEqual({
      weightBytes: 4 * 51,
      weightCopyBytes: 0,
      optimizerBytes: 4 * 51,
      gradientBytes,
      activationBytes,
      scratchBytes: 0,
      replicaBytes,
      totalBytes: 8 * 51 + replicaBytes,
    })
  })

  test('BF16 halves activations and their gradients; images and weights stay as they are', () => {
    const single = estimateMemory(plan)
    const half = estimateMemory({ ...plan, precision: 'BF16' })
    expect(half.activationBytes).toBe(2 * 2 * (4 * 49 + 2 * (4 * 49 + 4 * 16)))
    expect(half).toMatchObject({ weightBytes: single.weightBytes, gradientBytes: single.gradientBytes })
  })

  test('devices share weights and optimiser state, and split the sums over shards', () => {
    const one = estimateMemory(plan)
    const four = estimateMemory({ ...plan, devices: 4 })
    expect(four).toMatchObject({ weightBytes: one.weightBytes, optimizerBytes: one.optimizerBytes })
    expect(four.gradientBytes).toBe(one.gradientBytes / 2)
    // One shard each is one shard at work, not a pair.
    expect(four.activationBytes).toBe(one.activationBytes / 2)
    expect(estimateMemory({ ...plan, syncBatchNorm: true }).activationBytes).toBe(2 * one.activationBytes)
    expect(four.totalBytes).toBe(four.weightBytes + four.optimizerBytes + 4 * four.replicaBytes)
  })

  test('Adam keeps two tensors for each parameter, SGD one', () => {
    expect(estimateMemory({ ...plan, optimizer: { kind: 'ADAM' } }).optimizerBytes).toBe(8 * 51)
  })
})
