// The tasks of the `train` bench: a row's name says architecture, input, global batch, precision and shards.
import type { Architecture } from '../../src/shared/run-spec.ts'

export interface TrainTask {
  name: string
  architecture: Architecture
  channels: number
  /** Height and width. */
  size: number
  classes: number
  globalBatch: number
  shards: number
}

/** The recipe of every task; both sides use it, decay and all. */
export const recipe = { learningRate: 0.01, momentum: 0.9, weightDecay: 5e-4 } as const

/** One shard for each of the two devices, unless a row says otherwise. */
export const defaultShards = 2

const tasks: TrainTask[] = [
  { ...task('resnet18-28x28x1-b128-fp32', 'RESNET18', 128), channels: 1, size: 28, classes: 10 },
  { ...task('resnet18-28x28x1-b256-fp32', 'RESNET18', 256), channels: 1, size: 28, classes: 10 },
  { ...task('resnet18-32x32x3-b128-fp32', 'RESNET18', 128), channels: 3, size: 32, classes: 10 },
  { ...task('resnet18-224x224x3-b16-fp32', 'RESNET18', 16), channels: 3, size: 224, classes: 1000 },
  { ...task('resnet50-224x224x3-b8-fp32', 'RESNET50', 8), channels: 3, size: 224, classes: 1000 },
]

/** Rows beside PyTorch. */
export const comparisons: readonly TrainTask[] = [
  ...tasks,
  ...tasks.map((base) => ({ ...base, name: `${base.name}-shards4`, shards: 4 })),
]

/** Two devices against one: the tutorial's task. */
export const scaling: TrainTask = { ...(tasks[0] as TrainTask), name: 'scaling-2x1core' }

function task(name: string, architecture: Architecture, globalBatch: number) {
  return { name, architecture, globalBatch, shards: defaultShards }
}
