// What past runs tell of the next one: exact numbers, and nothing where nobody can tell.
import { expect, test } from 'vitest'
import type { MeasuredRun, Place } from '../../src/server/planning/measured-run.ts'
import { expectPace, median, remainingSeconds } from '../../src/server/planning/pace.ts'
import { findPlace, likelyDevices } from '../../src/server/planning/places.ts'
import type { Workload } from '../../src/server/planning/workload.ts'
import { simulatedDevice } from './queue-simulation.ts'

const workload: Workload = {
  architecture: 'RESNET18',
  dataset: 'shapes',
  image: { channels: 1, height: 28, width: 28 },
  flopsPerImage: 200e6,
  precision: 'FP32',
  engineChoice: 'AUTO',
  globalBatch: 128,
  shards: 4,
  syncBatchNorm: false,
  epochs: 3,
  stepsPerEpoch: 10,
  validationImages: 500,
}
const twoCores: Place = { kind: 'CPU', devices: 2, units: 2 }

type Measured = Partial<Omit<MeasuredRun, 'workload'>> & { work?: Partial<Workload> }

function measured({ work, ...run }: Measured = {}): MeasuredRun {
  return {
    runId: 'r',
    attempt: 1,
    workload: { ...workload, ...work },
    place: twoCores,
    engine: 'native',
    imagesPerSecond: 1000,
    validationSeconds: 0.25,
    startSeconds: 2,
    restSeconds: 0.5,
    lastEpoch: 3,
    ...run,
  }
}

interface Case {
  runs: MeasuredRun[]
  wanted?: Partial<Workload>
  place?: Place
  /** Expected, low, high. */
  imagesPerSecond: [number, number, number]
  validationSeconds?: number
  startSeconds?: number
  restSeconds?: number
  basis?: 'PAST_RUNS' | 'PROFILE'
  words: string
}

const same = 'ResNet-18 at 28x28x1, batch 128 in 4 shards, on 2 CPU devices'
const scaled = 'ResNet-18 at 28x28x1, in other batches or on other devices; taken to be as fast for each core'

const cases: Record<string, Case> = {
  'one run like it': {
    runs: [measured()],
    imagesPerSecond: [1000, 800, 1250],
    words: `the latest run of ${same}`,
  },
  'the median of three, between the slowest and the fastest and a tenth beyond': {
    runs: [
      measured({ imagesPerSecond: 1100, validationSeconds: 0.5, startSeconds: 1, restSeconds: null }),
      measured({ imagesPerSecond: 1000, validationSeconds: 0.25, startSeconds: 2 }),
      measured({ imagesPerSecond: 550, validationSeconds: 0.125, startSeconds: 5, restSeconds: 0.25 }),
    ],
    imagesPerSecond: [1000, 550 / 1.1, 1100 * 1.1],
    restSeconds: 0.375,
    words: `the latest 3 runs of ${same}`,
  },
  'no more than the latest nine': {
    runs: [
      ...Array.from({ length: 9 }, () => measured()),
      ...Array.from({ length: 20 }, () => measured({ imagesPerSecond: 5 })),
    ],
    imagesPerSecond: [1000, 1000 / 1.1, 1000 * 1.1],
    words: `the latest 9 runs of ${same}`,
  },
  'a run like it before others of the same model': {
    runs: [measured({ imagesPerSecond: 5, work: { globalBatch: 256 } }), measured()],
    imagesPerSecond: [1000, 800, 1250],
    words: `the latest run of ${same}`,
  },
  'twice as fast on twice the cores, validation too': {
    runs: [measured()],
    place: { kind: 'CPU', devices: 4, units: 4 },
    imagesPerSecond: [2000, 2000 / 1.5, 2000 * 1.5],
    validationSeconds: 0.125,
    words: `the latest run of ${scaled}`,
  },
  'more devices on the same cores are no faster': {
    runs: [measured()],
    place: { kind: 'CPU', devices: 4, units: 2 },
    imagesPerSecond: [1000, 1000 / 1.5, 1000 * 1.5],
    words: `the latest run of ${scaled}`,
  },
  'as many images a second in another batch': {
    runs: [measured({ work: { globalBatch: 32, shards: 1 } })],
    imagesPerSecond: [1000, 1000 / 1.5, 1000 * 1.5],
    words: `the latest run of ${scaled}`,
  },
  'validation by its images': {
    runs: [measured({ work: { validationImages: 1000 } })],
    imagesPerSecond: [1000, 800, 1250],
    validationSeconds: 0.125,
    words: `the latest run of ${same}`,
  },
  'a third of a training step where no validation has been measured': {
    runs: [measured({ work: { validationImages: 0 } })],
    imagesPerSecond: [1000, 800, 1250],
    validationSeconds: 500 / 3000,
    words: `the latest run of ${same}`,
  },
  'another model by its FLOPs': {
    runs: [measured({ work: { architecture: 'RESNET34', flopsPerImage: 400e6 } })],
    imagesPerSecond: [2000, 1000, 4000],
    validationSeconds: 0.125,
    basis: 'PROFILE',
    words: '200.0 GFLOP/s for each core in the latest run of other models or sizes of images',
  },
  'images of another size by their FLOPs, on other cores': {
    runs: [
      measured({ work: { image: { channels: 3, height: 56, width: 56 }, flopsPerImage: 800e6 }, imagesPerSecond: 300 }),
    ],
    place: { kind: 'CPU', devices: 1, units: 1 },
    imagesPerSecond: [600, 300, 1200],
    validationSeconds: 0.125,
    basis: 'PROFILE',
    words: '120.0 GFLOP/s for each core in the latest run of other models or sizes of images',
  },
  'an engine that is chosen by name, where another run came to it by itself': {
    runs: [measured({ engine: 'tfjs', imagesPerSecond: 5 }), measured()],
    wanted: { engineChoice: 'NATIVE' },
    imagesPerSecond: [1000, 800, 1250],
    words: `the latest run of ${same}`,
  },
  'images whose size nobody knows yet, of the same dataset': {
    runs: [
      measured({ work: { image: null, flopsPerImage: null, dataset: 'dogs' }, imagesPerSecond: 5 }),
      measured({ work: { image: null, flopsPerImage: null, dataset: 'cats' } }),
    ],
    wanted: { image: null, flopsPerImage: null, dataset: 'cats' },
    imagesPerSecond: [1000, 800, 1250],
    words: 'the latest run of ResNet-18 at the images of cats, batch 128 in 4 shards, on 2 CPU devices',
  },
}

test.each(Object.entries(cases))('%s', (_name, { runs, wanted, place = twoCores, imagesPerSecond, ...expected }) => {
  const [middle, low, high] = imagesPerSecond
  expect(expectPace({ ...workload, ...wanted }, place, runs)).toEqual({
    validationSeconds: 0.25,
    startSeconds: 2,
    restSeconds: 0.5,
    basis: 'PAST_RUNS',
    ...expected,
    imagesPerSecond: { expected: middle, low, high },
  })
})

test.each<[what: string, runs: MeasuredRun[], wanted: Partial<Workload>, place: Place, words: string]>([
  ['no run', [], {}, twoCores, 'FP32 on CPU devices with the engine AUTO'],
  ['another precision', [measured()], { precision: 'BF16' }, twoCores, 'BF16 on CPU devices with the engine AUTO'],
  ['another engine', [measured()], { engineChoice: 'TFJS' }, twoCores, 'FP32 on CPU devices with the engine TFJS'],
  [
    'another kind of device',
    [measured()],
    {},
    { kind: 'CUDA', devices: 1, units: 1 },
    'FP32 on CUDA devices with the engine AUTO',
  ],
  [
    'images of a size that nobody knows, and no run on them',
    [measured()],
    { image: null, flopsPerImage: null, dataset: 'cats' },
    twoCores,
    'FP32 on CPU devices with the engine AUTO',
  ],
])('nothing is told from %s', (_what, runs, wanted, place, words) => {
  expect(expectPace({ ...workload, ...wanted }, place, runs)).toBe(`no run has been measured yet in ${words}`)
})

test('what is left of a run: images, validation and checkpoints, and faster or slower all but these', () => {
  const course = {
    imagesPerSecond: { expected: 1000, low: 500, high: 2000 },
    validationSeconds: 0.25,
    restSeconds: 0.5,
  }
  expect(remainingSeconds(course, { steps: 20, epochs: 2, globalBatch: 100 })).toEqual({
    expected: 3.5,
    low: 2.25,
    high: 6,
  })
})

test('the median of none, of an odd and of an even number', () => {
  expect([median([]), median([3, 1, 2]), median([4, 1, 3, 2])]).toEqual([0, 2, 2.5])
})

const cpus = [0, 1, 2, 3].map((ordinal) => ({ ...simulatedDevice('CPU', ordinal), cores: [ordinal % 2] }))
const machine = [...cpus, simulatedDevice('CUDA', 0)]

test('partitions that share cores compute no more than those', () => {
  expect(findPlace(['cpu:0', 'cpu:1'], machine)).toEqual({ kind: 'CPU', devices: 2, units: 2 })
  expect(findPlace(['cpu:0', 'cpu:2'], machine)).toEqual({ kind: 'CPU', devices: 2, units: 1 })
  expect(findPlace(['cuda:0'], machine)).toEqual({ kind: 'CUDA', devices: 1, units: 1 })
})

test.each([[[]], [['cpu:9']], [['cpu:0', 'cuda:0']]])('no place in %j', (names) => {
  expect(findPlace(names, machine)).toBeNull()
})

test('a request gets what it names, or the first that take runs, or, where too few do, those that are there', () => {
  const [first, ...others] = machine
  const drained = first === undefined ? [] : [{ ...first, availability: 'DRAINING' as const }, ...others]
  const two = { kind: 'COUNT' as const, count: 2, max: null, deviceKind: 'CPU' as const }
  expect(likelyDevices({ kind: 'NAMED', names: ['cpu:3'] }, 1, machine)).toEqual(['cpu:3'])
  expect(likelyDevices(two, 2, drained)).toEqual(['cpu:1', 'cpu:2'])
  expect(likelyDevices(two, 4, drained)).toEqual(['cpu:0', 'cpu:1', 'cpu:2', 'cpu:3'])
})
