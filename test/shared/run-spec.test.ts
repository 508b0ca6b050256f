// The run spec as it is parsed: the defaults of a recipe, and what contradicts itself.
import { describe, expect, test } from 'vitest'
import { parseTrainerEvent } from '../../src/shared/events.ts'
import { checkAugmentationSize, type AugmentationSpec } from '../../src/shared/augmentation.ts'
import { checkWarmUp, scheduleSchema } from '../../src/shared/recipe.ts'
import { parseRunSpec, sessionShards } from '../../src/shared/run-spec.ts'

function parse(change: Record<string, unknown> = {}) {
  return parseRunSpec({
    runId: 'r',
    model: { architecture: 'RESNET18' },
    dataset: 'shapes',
    epochs: 1,
    globalBatch: 64,
    devices: { kind: 'COUNT', count: 1, deviceKind: 'CPU' },
    optimizer: { kind: 'SGD' },
    learningRate: 0.1,
    ...change,
  })
}

describe('defaults', () => {
  test('of a run that asks for nothing', () => {
    expect(parse()).toEqual({
      formatVersion: 1,
      runId: 'r',
      name: null,
      model: { architecture: 'RESNET18' },
      dataset: 'shapes',
      trainImages: null,
      validationImages: null,
      epochs: 1,
      globalBatch: 64,
      shards: 4,
      devices: { kind: 'COUNT', count: 1, max: null, deviceKind: 'CPU' },
      engine: 'AUTO',
      optimizer: { kind: 'SGD', momentum: 0.9, nesterov: false, weightDecay: 0, decayVectors: true },
      learningRate: 0.1,
      schedule: { kind: 'CONSTANT', warmUpSteps: 0 },
      accumulationSteps: 1,
      precision: 'FP32',
      syncBatchNorm: false,
      clipNorm: null,
      labelSmoothing: 0,
      augmentation: null,
      imageSize: null,
      onCorruptImage: 'FAIL',
      seed: 0,
      initialise: { kind: 'RANDOM' },
      onNonFinite: 'STOP',
      checkpoints: { everySteps: null, keepLast: null, keepBest: null, keepEvery: null, onDiskFull: 'FAIL' },
      priority: 0,
      retry: { maxAttempts: 1, backoffSeconds: 10, unreachableSeconds: 600, stalledSeconds: null },
      forkedFrom: null,
    })
  })

  const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decayVectors: true }
  test.each<[given: Record<string, unknown>, whole: Record<string, unknown>]>([
    [{ optimizer: { kind: 'ADAM' } }, { optimizer: { kind: 'ADAM', ...adam, weightDecay: 0 } }],
    [{ optimizer: { kind: 'ADAMW' } }, { optimizer: { kind: 'ADAMW', ...adam, weightDecay: 0.01 } }],
    [
      { schedule: { kind: 'STEP', stepEpochs: 30 } },
      { schedule: { kind: 'STEP', stepEpochs: 30, factor: 0.1, warmUpSteps: 0 } },
    ],
    [{ schedule: { kind: 'COSINE' } }, { schedule: { kind: 'COSINE', minimum: 0, warmUpSteps: 0 } }],
    [
      { schedule: { kind: 'ONE_CYCLE' } },
      { schedule: { kind: 'ONE_CYCLE', startFactor: 0.04, endFactor: 4e-6, peakShare: 0.3 } },
    ],
    [
      { augmentation: { randomCrop: {} } },
      {
        augmentation: { randomCrop: { padding: 4 }, randomResizedCrop: null, horizontalFlip: false, cutout: null },
      },
    ],
    [
      { augmentation: { randomResizedCrop: {}, horizontalFlip: true, cutout: { size: 8 } } },
      {
        augmentation: {
          randomCrop: null,
          randomResizedCrop: { minScale: 0.08, maxScale: 1, minRatio: 3 / 4, maxRatio: 4 / 3 },
          horizontalFlip: true,
          cutout: { size: 8 },
        },
      },
    ],
    [
      { initialise: { kind: 'CHECKPOINT', checkpoint: 'imported/a', sha256: 'ab'.repeat(32) } },
      {
        initialise: {
          kind: 'CHECKPOINT',
          checkpoint: 'imported/a',
          sha256: 'ab'.repeat(32),
          optimizer: false,
          reinitialise: [],
          stem: 'AS_IS',
        },
      },
    ],
  ])('of %j', (given, whole) => {
    expect(parse(given)).toEqual({ ...parse(), ...whole })
  })

  test('a whole spec is itself', () => {
    const spec = parse({ optimizer: { kind: 'ADAMW' }, schedule: { kind: 'ONE_CYCLE' }, clipNorm: 1 })
    expect(parseRunSpec(JSON.parse(JSON.stringify(spec)))).toEqual(spec)
  })

  test('a log from before there was a choice of precision tells of FP32', () => {
    const plan = { devices: ['cpu:0'], shards: 4, globalBatch: 8, epochs: 1, stepsPerEpoch: 1, parameters: 1 }
    const event = { run: 'r', attempt: 1, seq: 1, at: '2026-01-01T00:00:00.000Z', type: 'started', pid: 1 }
    const images = { trainImages: 8, validationImages: 8, engine: 'native', engineDetail: 'avx2' }
    expect(parseTrainerEvent({ ...event, ...plan, ...images })).toMatchObject({
      precision: 'FP32',
      accumulationSteps: 1,
      syncBatchNorm: false,
      memoryBytes: null,
    })
  })
})

test('accumulation makes more shards of the global batch, not of the devices', () => {
  expect(sessionShards(parse({ shards: 2, accumulationSteps: 8 }))).toBe(16)
  expect(() =>
    parse({ shards: 2, accumulationSteps: 8, devices: { kind: 'NAMED', names: ['a', 'b', 'c', 'd'] } }),
  ).toThrow(expect.objectContaining({ field: 'devices' }))
})

test.each<[change: Record<string, unknown>, field: string, message?: string, fix?: string]>([
  [
    { optimizer: { kind: 'SGD', momentum: 0, nesterov: true } },
    'optimizer.nesterov',
    'Expected a momentum above 0 for Nesterov; got 0.',
  ],
  [{ optimizer: { kind: 'SGD', momentum: 1 } }, 'optimizer.momentum'],
  [{ optimizer: { kind: 'SGD', weightDecay: -1 } }, 'optimizer.weightDecay'],
  [{ optimizer: { kind: 'ADAMW', beta2: 1 } }, 'optimizer.beta2'],
  [{ optimizer: { kind: 'ADAMW', epsilon: 0 } }, 'optimizer.epsilon'],
  [{ optimizer: { kind: 'LAMB' } }, 'optimizer.kind'],
  [{ schedule: { kind: 'STEP' } }, 'schedule.stepEpochs'],
  [{ schedule: { kind: 'STEP', stepEpochs: 0 } }, 'schedule.stepEpochs'],
  [{ schedule: { kind: 'STEP', stepEpochs: 1, factor: 0 } }, 'schedule.factor'],
  [{ schedule: { kind: 'CONSTANT', warmUpSteps: -1 } }, 'schedule.warmUpSteps'],
  [{ schedule: { kind: 'COSINE', minimum: -1 } }, 'schedule.minimum'],
  [
    { schedule: { kind: 'COSINE', minimum: 0.2 } },
    'schedule.minimum',
    'Expected a minimum of at most the learning rate, 0.1; got 0.2.',
  ],
  [{ schedule: { kind: 'ONE_CYCLE', peakShare: 1 } }, 'schedule.peakShare'],
  [{ schedule: { kind: 'ONE_CYCLE', startFactor: 0 } }, 'schedule.startFactor'],
  [{ schedule: { kind: 'ONE_CYCLE', endFactor: 2 } }, 'schedule.endFactor'],
  [{ learningRate: 0 }, 'learningRate'],
  [{ clipNorm: 0 }, 'clipNorm'],
  [{ labelSmoothing: 1 }, 'labelSmoothing'],
  [{ labelSmoothing: -0.1 }, 'labelSmoothing'],
  [
    { accumulationSteps: 3 },
    'accumulationSteps',
    'Expected accumulationSteps to be a power of two; got 3.',
    'Use 1, 2, 4, 8 … steps.',
  ],
  [{ accumulationSteps: 0 }, 'accumulationSteps'],
  [
    { accumulationSteps: 2, syncBatchNorm: true },
    'accumulationSteps',
    'Expected accumulationSteps of 1 with syncBatchNorm, which needs all shards at once; got 2.',
  ],
  [
    { globalBatch: 100, accumulationSteps: 8 },
    'globalBatch',
    'Expected a global batch that 4 shards in 8 accumulation steps divide evenly; got 100.',
    'Use a global batch of 96 or 128, or fewer accumulation steps.',
  ],
  [{ precision: 'FP16' }, 'precision'],
  [{ initialise: { kind: 'CHECKPOINT', checkpoint: 'imported/a' } }, 'initialise.sha256'],
  [{ initialise: { kind: 'CHECKPOINT', checkpoint: '/etc/passwd', sha256: 'ab'.repeat(32) } }, 'initialise.checkpoint'],
  ...[{ reinitialise: ['fc'] }, { stem: 'SUM_CHANNELS' }].map(
    (adaptation): [Record<string, unknown>, string, string, string] => [
      {
        initialise: {
          kind: 'CHECKPOINT',
          checkpoint: 'imported/a',
          sha256: 'ab'.repeat(32),
          optimizer: true,
          ...adaptation,
        },
      },
      'initialise.optimizer',
      "Expected every weight as the checkpoint has it where its optimiser's state is taken too.",
      'Leave out optimizer, or reinitialise and stem.',
    ],
  ),
  [
    { precision: 'BF16', engine: 'TFJS' },
    'precision',
    'Expected precision FP32 for the engine TFJS; got BF16.',
    'Choose the engine NATIVE or AUTO, or precision FP32.',
  ],
  [{ imageSize: { height: 0, width: 8 } }, 'imageSize.height'],
  [{ onCorruptImage: 'IGNORE' }, 'onCorruptImage'],
  [{ augmentation: { randomCrop: { padding: 0 } } }, 'augmentation.randomCrop.padding'],
  [{ augmentation: { cutout: { size: 0 } } }, 'augmentation.cutout.size'],
  [{ augmentation: { randomResizedCrop: { maxScale: 2 } } }, 'augmentation.randomResizedCrop.maxScale'],
  [
    { augmentation: { randomCrop: {}, randomResizedCrop: {} } },
    'augmentation',
    'Expected one crop; got randomCrop and randomResizedCrop.',
  ],
  [
    { augmentation: { randomResizedCrop: { minScale: 0.5, maxScale: 0.4 } } },
    'augmentation.randomResizedCrop.minScale',
    'Expected minScale of at most maxScale, 0.4; got 0.5.',
  ],
  [
    { augmentation: { randomResizedCrop: { minRatio: 2 } } },
    'augmentation.randomResizedCrop.minRatio',
    `Expected minRatio of at most maxRatio, ${4 / 3}; got 2.`,
  ],
  [{ augmentation: { cutout: { size: 32 } }, imageSize: { height: 64, width: 32 } }, 'augmentation.cutout.size'],
])('refuses %j', (change, field, message, fix) => {
  expect(() => parse(change)).toThrow(
    expect.objectContaining({
      code: 'INVALID_INPUT',
      field,
      ...(message === undefined ? {} : { message }),
      ...(fix === undefined ? {} : { fix }),
    }),
  )
})

test('a warm-up ends before the run does', () => {
  const schedule = (warmUpSteps: number) => scheduleSchema.parse({ kind: 'COSINE', warmUpSteps })
  expect(() => checkWarmUp(schedule(10), 10)).toThrow(
    expect.objectContaining({
      field: 'schedule.warmUpSteps',
      message: 'Expected a warm-up shorter than the run, which has 10 steps; got 10.',
    }),
  )
  expect(() => checkWarmUp(schedule(9), 10)).not.toThrow()
  expect(() => checkWarmUp(scheduleSchema.parse({ kind: 'ONE_CYCLE' }), 1)).not.toThrow()
})

test('crops and cutouts fit the images', () => {
  const none: AugmentationSpec = { randomCrop: null, randomResizedCrop: null, horizontalFlip: true, cutout: null }
  const size = { height: 28, width: 32 }
  expect(() => checkAugmentationSize(null, size)).not.toThrow()
  expect(() =>
    checkAugmentationSize({ ...none, randomCrop: { padding: 27 }, cutout: { size: 27 } }, size),
  ).not.toThrow()
  expect(() => checkAugmentationSize({ ...none, randomCrop: { padding: 28 } }, size)).toThrow(
    expect.objectContaining({
      field: 'augmentation.randomCrop.padding',
      message: 'Expected randomCrop.padding below 28, the shorter side of 28x32 images; got 28.',
      fix: 'Use at most 27.',
    }),
  )
  expect(() => checkAugmentationSize({ ...none, cutout: { size: 30 } }, size)).toThrow(
    expect.objectContaining({ field: 'augmentation.cutout.size' }),
  )
})
