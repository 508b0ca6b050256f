// Which ResNet it is, told from names and shapes alone.
import { describe, expect, test } from 'vitest'
import { architectures, type Architecture } from '../../../src/shared/run-spec.ts'
import { recognise } from '../../../src/trainer/checkpoints/loading/recognise.ts'
import { shapesOf } from './resnet-shapes.ts'

type Shapes = Map<string, readonly number[]>

test.each(architectures)('%s is itself, with its classes and channels', (architecture) => {
  const name = `ResNet-${architecture.slice(6)}`
  expect(recognise(shapesOf(architecture, { classes: 1000, channels: 3 }))).toEqual({
    kind: 'MODEL',
    body: architecture,
    classes: 1000,
    inputChannels: 3,
    description: `a ${name} with 1000 classes and 3 input channels`,
  })
})

/** Torchvision's relatives of a ResNet-50, by the widths of their blocks. */
function bottlenecks({ width, groups }: { width: number; groups: number }): Shapes {
  const shapes = shapesOf('RESNET50', { classes: 1000, channels: 3 })
  for (const [name, shape] of shapes) {
    const stage = Number(/^layer(\d)/.exec(name)?.[1] ?? 0)
    const inner = width * 2 ** (stage - 1)
    if (/layer\d\.\d+\.conv1\.weight/.test(name)) shapes.set(name, [inner, ...shape.slice(1)])
    if (/layer\d\.\d+\.conv2\.weight/.test(name)) shapes.set(name, [inner, inner / groups, 3, 3])
    if (/layer\d\.\d+\.conv3\.weight/.test(name)) shapes.set(name, [shape[0] ?? 0, inner, 1, 1])
  }
  return shapes
}

function changed(architecture: Architecture, change: (shapes: Shapes) => void): Shapes {
  const shapes = shapesOf(architecture)
  change(shapes)
  return shapes
}

function renamed(shapes: Shapes, from: string, to: string): Shapes {
  return new Map([...shapes].map(([name, shape]) => [name.replace(from, to), shape]))
}

/** Three stages of basic blocks, 16, 32 and 64 channels (He et al. 2015, section 4.2). */
function cifarResnet(blocks: number): Shapes {
  const shapes: Shapes = new Map([['conv1.weight', [16, 3, 3, 3]]])
  for (let stage = 1; stage <= 3; stage += 1) {
    for (let block = 0; block < blocks; block += 1) {
      const width = 16 * 2 ** (stage - 1)
      shapes.set(`layer${stage}.${block}.conv1.weight`, [width, width, 3, 3])
      shapes.set(`layer${stage}.${block}.conv2.weight`, [width, width, 3, 3])
    }
  }
  return shapes.set('linear.weight', [10, 64])
}

describe('says what a relative is', () => {
  test.each<[what: string, shapes: Shapes, kind: string, description: string]>([
    [
      'with the 3x3 stem of CIFAR',
      changed('RESNET18', (shapes) => shapes.set('conv1.weight', [64, 3, 3, 3])),
      'VARIANT',
      'a ResNet-18 with a 3x3 stem where torchvision has a 7x7 one, 10 classes and 3 input channels',
    ],
    [
      'with other names for its ends',
      renamed(renamed(shapesOf('RESNET34'), 'fc.', 'linear.'), 'downsample', 'shortcut'),
      'VARIANT',
      'a ResNet-34 with shortcuts named "shortcut" rather than "downsample", a last layer named "linear" rather than "fc", 10 classes and 1 input channel',
    ],
    [
      'wide',
      bottlenecks({ width: 128, groups: 1 }),
      'RELATIVE',
      'a Wide ResNet-50-2 with 1000 classes and 3 input channels',
    ],
    [
      'ResNeXt',
      bottlenecks({ width: 128, groups: 32 }),
      'RELATIVE',
      'a ResNeXt-50 32x4d with 1000 classes and 3 input channels',
    ],
    [
      'of CIFAR',
      cifarResnet(3),
      'RELATIVE',
      'a ResNet-20 of three stages, as for CIFAR, with a 3x3 stem where torchvision has a 7x7 one, a last layer named "linear" rather than "fc", 10 classes and 3 input channels',
    ],
    [
      'narrow',
      changed('RESNET18', (shapes) => {
        for (const [name, shape] of shapes)
          shapes.set(
            name,
            shape.map((size) => (size >= 64 ? size / 8 : size)),
          )
      }),
      'RELATIVE',
      'a ResNet-18 that begins with 8 channels rather than 64, with 10 classes and 1 input channel',
    ],
    [
      'of a depth that is nobody’s',
      changed('RESNET34', (shapes) => {
        for (const name of shapes.keys()) if (name.startsWith('layer3.5.')) shapes.delete(name)
      }),
      'RELATIVE',
      'a ResNet-32 of 3, 4, 5, 3 blocks with 10 classes and 1 input channel',
    ],
    [
      'without its last layer',
      changed('RESNET50', (shapes) => {
        for (const name of ['fc.weight', 'fc.bias']) shapes.delete(name)
      }),
      'MODEL',
      'a ResNet-50 with no last layer and 1 input channel',
    ],
    [
      'a part',
      new Map([...shapesOf('RESNET18')].filter(([name]) => name.startsWith('layer1.'))),
      'PART',
      'part of a ResNet: layer1',
    ],
    [
      'with squeeze-and-excitation',
      changed('RESNET50', (shapes) => shapes.set('layer1.0.se.fc1.weight', [16, 256, 1, 1])),
      'VARIANT',
      'a ResNet-50 with squeeze-and-excitation, 10 classes and 1 input channel',
    ],
    ['nothing', new Map(), 'OTHER', 'no tensors'],
    [
      'another network',
      new Map([
        ['features.0.weight', [64, 3, 3, 3]],
        ['features.0.bias', [64]],
        ['classifier.0.weight', [10, 64]],
        ['classifier.0.bias', [10]],
      ]),
      'OTHER',
      'a VGG or AlexNet: 4 tensors ("features.0.weight", "features.0.bias", "classifier.0.weight" …)',
    ],
    [
      'with more classes than there can be',
      changed('RESNET18', (shapes) => shapes.set('fc.weight', [2 ** 40, 512])),
      'MODEL',
      'a ResNet-18 with no last layer and 1 input channel',
    ],
  ])('%s', (_, shapes, kind, description) => {
    expect(recognise(shapes)).toMatchObject({ kind, description })
  })
})
