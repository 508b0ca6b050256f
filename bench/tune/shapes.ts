// The convolutions of the `train` bench that more than one algorithm can compute: what the tuning command times.
import type { Precision } from '../../src/shared/run-spec.ts'
import type { ConvolutionShape } from '../../src/trainer/engines/kernel-table.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { comparisons, type TrainTask } from '../train/tasks.ts'

export interface Tunable {
  name: string
  precision: Precision
  shape: ConvolutionShape
}

/** Each shape and shard batch of the tasks once, in either precision. */
export function tunables(): Tunable[] {
  const found = new Map<string, Tunable>()
  for (const task of comparisons) {
    for (const shape of convolutionsOf(graphOf(task), task.globalBatch / task.shards)) {
      if (!hasAlternatives(shape)) continue
      for (const precision of ['FP32', 'BF16'] as const) {
        const name = nameOf(shape, precision)
        found.set(name, { name, precision, shape })
      }
    }
  }
  return [...found.values()]
}

/** Those that do not read the image batch, which has an algorithm of its own. */
export function convolutionsOf(graph: ModelGraph, shardBatch: number): ConvolutionShape[] {
  return graph.layers.flatMap((layer) => {
    if (layer.op !== 'conv' || layer.input === 0) return []
    const { inChannels, outChannels, kernel, stride, padding } = layer
    const [, height = 0, width = 0] = graph.shapes[layer.input] ?? []
    return [{ inChannels, outChannels, kernel, stride, padding, height, width, shardBatch }]
  })
}

/** As the engine's `accepts`, so that rows can be listed without it; a test compares the two. */
export function hasAlternatives({ kernel, stride, padding, height, width }: ConvolutionShape): boolean {
  return kernel === 3 && stride === 1 && padding === 1 && height >= 2 && width >= 2
}

function graphOf({ architecture, channels, size, classes }: TrainTask): ModelGraph {
  return resnet({ architecture, classes, input: { channels, height: size, width: size } })
}

function nameOf(
  { inChannels, outChannels, kernel, stride, height, width, shardBatch }: ConvolutionShape,
  precision: Precision,
) {
  return `${kernel}x${kernel}s${stride}-${inChannels}to${outChannels}-${height}x${width}-b${shardBatch}-${precision.toLowerCase()}`
}
