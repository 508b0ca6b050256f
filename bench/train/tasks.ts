// The tasks of the `train` bench: a row's name says architecture, input, global batch, precision and shards.
import type { Architecture, Precision } from '../../src/shared/run-spec.ts'

/** What a side computes; shards and devices are ours alone. */
export interface Shape {
  architecture: Architecture
  channels: number
  /** Height and width. */
  size: number
  classes: number
  globalBatch: number
}

export interface TrainTask extends Shape {
  name: string
  precision: Precision
  shards: number
  /** Images per second against the peer's that the project asks for; null where it asks nothing. */
  bar: number | null
}

/** The recipe of every task; both sides use it, decay and all. */
export const recipe = { learningRate: 0.01, momentum: 0.9, weightDecay: 5e-4 } as const

/** One shard for each of the two devices, unless a row says otherwise. */
export const defaultShards = 2

const small = { architecture: 'RESNET18', classes: 10 } as const
const large = { size: 224, channels: 3, classes: 1000 } as const

interface Bars {
  fp32: number
  bf16: number
  shards4: number | null
}

const shapes: readonly (Shape & { bars: Bars })[] = [
  { ...small, size: 28, channels: 1, globalBatch: 128, bars: { fp32: 2.4, bf16: 3, shards4: 2 } },
  { ...small, size: 28, channels: 1, globalBatch: 256, bars: { fp32: 2.4, bf16: 3, shards4: 2.3 } },
  { ...small, size: 32, channels: 3, globalBatch: 128, bars: { fp32: 2.5, bf16: 3, shards4: null } },
  { ...large, architecture: 'RESNET18', globalBatch: 16, bars: { fp32: 1.8, bf16: 1.25, shards4: null } },
  { ...large, architecture: 'RESNET50', globalBatch: 8, bars: { fp32: 1.5, bf16: 1.3, shards4: null } },
]

/** Rows beside PyTorch. */
export const comparisons: readonly TrainTask[] = [
  ...shapes.map(({ bars, ...shape }) => task(shape, { precision: 'FP32', bar: bars.fp32 })),
  ...shapes.map(({ bars, ...shape }) => task(shape, { precision: 'BF16', bar: bars.bf16 })),
  ...shapes.map(({ bars, ...shape }) => task(shape, { precision: 'FP32', bar: bars.shards4, shards: 4 })),
]

/** Two devices against one: the tutorial's task, at both of its batches. */
export const scalings: readonly TrainTask[] = [
  { ...taskNamed('resnet18-28x28x1-b128-fp32'), name: 'scaling-2x1core', bar: 1.9 },
  { ...taskNamed('resnet18-28x28x1-b256-fp32'), name: 'scaling-2x1core-b256', bar: null },
]

/** One busy loop on one of the two cores; the bar is the share of the quiet throughput that is kept, in per cent. */
export const busyNeighbour: TrainTask = {
  ...taskNamed('resnet18-28x28x1-b128-fp32'),
  name: 'busy-neighbour',
  bar: 45,
}

export interface EpochTask extends TrainTask {
  /** Random crop after padding by so many pixels, and flips; null: images as they are. */
  augment: { padding: number } | null
}

/** One epoch of Fashion-MNIST through our trainer and through PyTorch's DataLoader. */
export const epochs: readonly EpochTask[] = [
  { ...taskNamed('resnet18-28x28x1-b256-fp32'), name: 'epoch-fashion-mnist', bar: null, augment: null },
  {
    ...taskNamed('resnet18-28x28x1-b256-fp32'),
    name: 'epoch-fashion-mnist-augmented',
    bar: null,
    augment: { padding: 4 },
  },
]

/** Tasks of one key are one and the same work to PyTorch, but for the precision. */
export function shapeKey({ architecture, channels, size, classes, globalBatch }: Shape): string {
  return [architecture, channels, size, classes, globalBatch].join()
}

interface Terms {
  precision: Precision
  bar: number | null
  shards?: number
}

function task(shape: Shape, { precision, bar, shards = defaultShards }: Terms): TrainTask {
  const { architecture, size, channels, globalBatch } = shape
  const parts = [architecture, `${size}x${size}x${channels}`, `b${globalBatch}`, precision]
  const suffix = shards === defaultShards ? [] : [`shards${shards}`]
  return { ...shape, name: [...parts, ...suffix].join('-').toLowerCase(), precision, shards, bar }
}

function taskNamed(name: string): TrainTask {
  const found = comparisons.find((candidate) => candidate.name === name)
  if (found === undefined) throw new RangeError(`there is no row ${name}`)
  return found
}
