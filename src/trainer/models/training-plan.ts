// What a training step's memory follows from, and what the native engine's plan makes of it layer by layer.
import type { OptimizerSpec, Precision } from '../../shared/recipe.ts'
import type { ConvLayer, ModelGraph } from './graph.ts'

export interface TrainingPlan {
  graph: ModelGraph
  globalBatch: number
  /** A power of two that divides the global batch. */
  shards: number
  /** How many; a power of two, at most `shards`. */
  devices: number
  optimizer: Pick<OptimizerSpec, 'kind'>
  precision: Precision
  /** Default: false. */
  syncBatchNorm?: boolean
  /** Whether the gradient's norm is limited. Default: false. */
  clipped?: boolean
}

/** Of weights, gradients of weights, optimiser state and images, whatever the precision. */
export const floatBytes = 4

/** Bytes of a value of an activation or its gradient. */
export function elementBytes({ precision }: Pick<TrainingPlan, 'precision'>): number {
  return precision === 'BF16' ? 2 : 4
}

/** As `algorithmsByRule` in native/src/plan/kernel_table.cc. */
export function usesWinograd({ graph, precision }: TrainingPlan, layer: ConvLayer): boolean {
  const { input, output, kernel, stride, padding } = layer
  const [, height, width] = graph.shapes[output] ?? [0, 0, 0]
  if (precision === 'BF16') return false
  return kernel === 3 && stride === 1 && padding === 1 && input !== 0 && height >= 3 && width >= 3
}
