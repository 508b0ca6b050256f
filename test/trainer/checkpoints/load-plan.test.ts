// Load plans and what the doctor says of them: which tensor goes where, and what stands in the way.
import { describe, expect, test } from 'vitest'
import type { Architecture } from '../../../src/shared/run-spec.ts'
import { findProblems } from '../../../src/trainer/checkpoints/loading/problems.ts'
import { asIs, planLoad, type Adaptation, type LoadSource } from '../../../src/trainer/checkpoints/loading/plan.ts'
import { shapesOf, type ShapeOptions } from './resnet-shapes.ts'

type Shapes = Map<string, readonly number[]>

const anyModel = { architecture: null, classes: null, inputChannels: null }
const resnet18: { architecture: Architecture; classes: number; inputChannels: number } = {
  architecture: 'RESNET18',
  classes: 10,
  inputChannels: 1,
}
const total = 122

function source(shapes: Shapes, change: Partial<LoadSource> = {}): LoadSource {
  return { format: 'TORCH_ZIP', layout: 'STATE_DICT', foundAt: '', deviceTags: [], shapes, ...change }
}

function resnet18File(options?: ShapeOptions, change: (shapes: Shapes) => Shapes = (shapes) => shapes): LoadSource {
  const shapes = shapesOf('RESNET18', options)
  return source(change(shapes))
}

function codes(
  plan: ReturnType<typeof planLoad>,
  allowPartial = false,
  target = resnet18 as typeof anyModel | typeof resnet18,
) {
  return findProblems(plan, { target, allowPartial }).map(({ code, blocks }) => (blocks ? code : `(${code})`))
}

describe('a file that fits', () => {
  test('fills every tensor in the order of the model, whatever the order in the file', () => {
    const file = resnet18File({}, (shapes) => new Map([...shapes].reverse()))
    const plan = planLoad(file, resnet18)
    expect(plan.report).toEqual({
      sourceFormat: 'TORCH_ZIP',
      layout: 'STATE_DICT',
      foundAt: '',
      recognised: resnet18,
      description: 'a ResNet-18 with 10 classes and 1 input channel',
      matched: [...shapesOf('RESNET18').keys()],
      missing: [],
      unexpected: [],
      shapeMismatch: [],
      reinitialised: [],
      adapted: [],
      assumedZero: [],
      strippedPrefix: '',
      deviceTags: [],
    })
    expect([...plan.sources]).toEqual(plan.report.matched.map((name) => [name, name]))
    expect(codes(plan)).toEqual([])
  })

  test('tells the model by itself', () => {
    const plan = planLoad(source(shapesOf('RESNET50', { classes: 7, channels: 3 })), anyModel)
    expect(plan.graph).toMatchObject({ architecture: 'resnet50', classes: 7, input: { channels: 3 } })
    expect(plan.report.matched).toHaveLength(plan.sources.size)
    expect(codes(plan, false, anyModel)).toEqual([])
  })

  test('may have a prefix, devices and be a whole model, which are worth a word', () => {
    const wrapped = new Map([...shapesOf('RESNET18')].map(([name, shape]) => [`module.${name}`, shape]))
    const file = source(wrapped, { layout: 'WHOLE_MODEL', foundAt: 'model', deviceTags: ['cuda:0', 'cuda:3'] })
    const plan = planLoad(file, resnet18)
    expect(plan.report).toMatchObject({ strippedPrefix: 'module.', deviceTags: ['cuda:0', 'cuda:3'], unexpected: [] })
    expect(plan.sources.get('conv1.weight')).toBe('module.conv1.weight')
    const problems = findProblems(plan, { target: resnet18, allowPartial: false })
    expect(problems.map(({ code, blocks }) => [code, blocks])).toEqual([
      ['PREFIX', false],
      ['WHOLE_MODEL', false],
      ['DEVICE_TAGS', false],
    ])
    expect(problems[2]?.message).toBe(
      'The file names devices: cuda:0, cuda:3; PyTorch wants them, or map_location, to load it.',
    )
  })

  test('from before there were batch counters counts as whole, with zeros', () => {
    const plan = planLoad(
      resnet18File({}, (shapes) => new Map([...shapes].filter(([name]) => !name.endsWith('num_batches_tracked')))),
      resnet18,
    )
    expect(plan.report.assumedZero).toHaveLength(20)
    expect(plan.report.matched).toHaveLength(total)
    expect(plan.report.missing).toEqual([])
    expect(plan.sources.size).toBe(total - 20)
    expect(codes(plan)).toEqual([])
  })

  test('may hold its counters as lists of one', () => {
    const plan = planLoad(
      resnet18File({}, (shapes) => shapes.set('bn1.num_batches_tracked', [1])),
      resnet18,
    )
    expect(codes(plan)).toEqual([])
  })
})

describe('a file that does not fit says why, once', () => {
  test.each<[what: string, file: LoadSource, codes: string[], message: string, whenPartial: string[]]>([
    [
      'a ResNet-50 for a ResNet-18',
      source(shapesOf('RESNET50', { classes: 1000, channels: 3 })),
      ['WRONG_ARCHITECTURE'],
      'Expected a ResNet-18; the file is a ResNet-50 with 1000 classes and 3 input channels.',
      ['WRONG_ARCHITECTURE'],
    ],
    [
      'other classes',
      resnet18File({ classes: 1000 }),
      ['WRONG_CLASSES'],
      'Expected 10 classes; the file has 1000.',
      ['(WRONG_CLASSES)'],
    ],
    [
      'other channels',
      resnet18File({ channels: 3 }),
      ['WRONG_CHANNELS'],
      'Expected 1 input channel; the file has 3.',
      ['(WRONG_CHANNELS)'],
    ],
    [
      'another stem',
      resnet18File({}, (shapes) => shapes.set('conv1.weight', [64, 1, 3, 3])),
      ['NOT_A_RESNET'],
      'Expected a ResNet-18 as torchvision has it; the file is a ResNet-18 with a 3x3 stem where torchvision has a 7x7 one, 10 classes and 1 input channel.',
      ['(NOT_A_RESNET)'],
    ],
    [
      'another shape in the middle',
      resnet18File({}, (shapes) => shapes.set('layer3.0.bn1.weight', [100]).set('layer3.0.bn1.bias', [100])),
      ['SHAPE_MISMATCH'],
      'Expected "layer3.0.bn1.weight" as (256); found (100), and 1 more.',
      ['(SHAPE_MISMATCH)'],
    ],
    [
      'missing tensors',
      resnet18File({}, (shapes) => new Map([...shapes].filter(([name]) => !name.startsWith('fc.')))),
      ['MISSING_TENSORS'],
      'Expected every tensor of the model; "fc.weight", "fc.bias" are not in the file.',
      ['(MISSING_TENSORS)'],
    ],
    [
      'more tensors',
      resnet18File({}, (shapes) => shapes.set('criterion.weight', [10])),
      ['UNEXPECTED_TENSORS'],
      'Expected no other tensors than the model\'s; the file also has "criterion.weight".',
      ['(UNEXPECTED_TENSORS)'],
    ],
    [
      'none of the tensors',
      source(new Map([['embeddings.weight', [5, 5]]])),
      ['NOT_A_RESNET'],
      'Expected the tensors of a ResNet-18, 34, 50, 101 or 152 as torchvision has them; the file is no ResNet: 1 tensor ("embeddings.weight").',
      ['NOT_A_RESNET'],
    ],
  ])('%s', (_, file, expected, message, whenPartial) => {
    const plan = planLoad(file, resnet18)
    expect(codes(plan)).toEqual(expected)
    expect(findProblems(plan, { target: resnet18, allowPartial: false })[0]?.message).toBe(message)
    expect(codes(plan, true)).toEqual(whenPartial)
  })

  test('a part of a network loads only where the model is named and a part is enough', () => {
    const layer1 = new Map([...shapesOf('RESNET18')].filter(([name]) => name.startsWith('layer1.')))
    const named = planLoad(source(layer1), resnet18)
    expect(named.report).toMatchObject({
      strippedPrefix: '',
      recognised: null,
      description: 'part of a ResNet: layer1',
    })
    expect(named.report.matched).toEqual([...layer1.keys()])
    expect(named.report.missing).toHaveLength(total - layer1.size)
    expect(codes(named)).toEqual(['MISSING_TENSORS'])
    expect(codes(named, true)).toEqual(['(MISSING_TENSORS)'])
    const unnamed = planLoad(source(layer1), anyModel)
    expect(unnamed.graph).toBeNull()
    expect(unnamed.report.unexpected).toEqual([...layer1.keys()])
    expect(codes(unnamed, true, anyModel)).toEqual(['NOT_A_RESNET'])
  })
})

describe('adaptation', () => {
  function adapted(file: LoadSource, change: Partial<Adaptation>) {
    return planLoad(file, resnet18, { ...asIs, ...change }).report
  }

  test('leaves the named layers to fresh weights, whatever the file has for them', () => {
    const report = adapted(resnet18File({ classes: 1000, channels: 3 }), { reinitialise: ['conv1', 'fc'] })
    expect(report.reinitialised).toEqual(['conv1.weight', 'fc.weight', 'fc.bias'])
    expect(report.matched).toHaveLength(total - 3)
    expect([report.missing, report.unexpected, report.shapeMismatch]).toEqual([[], [], []])
  })

  test('takes whole layers and no other that begins alike', () => {
    const report = adapted(resnet18File(), { reinitialise: ['layer1.0.bn1', 'bn1.weight', 'layer1.0.conv'] })
    expect(report.reinitialised).toEqual([
      'bn1.weight',
      ...['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'].map((name) => `layer1.0.bn1.${name}`),
    ])
  })

  test('sums a stem of three channels to one, and no other', () => {
    const report = adapted(resnet18File({ channels: 3 }), { stem: 'SUM_CHANNELS' })
    expect(report).toMatchObject({ adapted: ['conv1.weight'], shapeMismatch: [] })
    expect(report.matched).toHaveLength(total)
    expect(adapted(resnet18File(), { stem: 'SUM_CHANNELS' })).toMatchObject({ adapted: [], shapeMismatch: [] })
    const three = planLoad(resnet18File(), { ...resnet18, inputChannels: 3 }, { ...asIs, stem: 'SUM_CHANNELS' })
    expect(three.report.shapeMismatch).toEqual([
      { name: 'conv1.weight', expected: [64, 3, 7, 7], found: [64, 1, 7, 7] },
    ])
  })
})
