// What a model graph holds: the state dict's names and shapes in torchvision's order.
import type { OptimizerSpec } from '../../shared/run-spec.ts'
import type { Layer, ModelGraph } from './graph.ts'

export type TensorRole = 'weight' | 'bias' | 'runningMean' | 'runningVariance' | 'batchesTracked'

export interface StateEntry {
  name: string
  shape: readonly number[]
  role: TensorRole
  layer: Layer['op']
}

/** Every tensor of the state dict in torchvision's order (which the graph follows: downsample after the main path). */
export function stateEntries(graph: ModelGraph): StateEntry[] {
  return graph.layers.flatMap(layerEntries)
}

/** The trained tensors alone: convolution and linear weights and biases, batch-norm scale and shift. */
export function parameterEntries(graph: ModelGraph): StateEntry[] {
  return stateEntries(graph).filter(({ role }) => role === 'weight' || role === 'bias')
}

export function parameterCount(graph: ModelGraph): number {
  return parameterEntries(graph).reduce((sum, { shape }) => sum + elementCount(shape), 0)
}

/** Names of the tensors an optimiser keeps for each parameter. */
export function optimizerSlots({ kind }: Pick<OptimizerSpec, 'kind'>): readonly string[] {
  return kind === 'SGD' ? ['momentum_buffer'] : ['exp_avg', 'exp_avg_sq']
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** The tensors of one layer. */
export function layerEntries(layer: Layer): StateEntry[] {
  switch (layer.op) {
    case 'conv': {
      const shape = [layer.outChannels, layer.inChannels, layer.kernel, layer.kernel]
      return [{ name: `${layer.name}.weight`, shape, role: 'weight', layer: layer.op }]
    }
    case 'batchNorm': {
      const entry = (suffix: string, role: TensorRole): StateEntry => ({
        name: `${layer.name}.${suffix}`,
        shape: role === 'batchesTracked' ? [] : [layer.channels],
        role,
        layer: layer.op,
      })
      return [
        entry('weight', 'weight'),
        entry('bias', 'bias'),
        entry('running_mean', 'runningMean'),
        entry('running_var', 'runningVariance'),
        entry('num_batches_tracked', 'batchesTracked'),
      ]
    }
    case 'linear':
      return [
        { name: `${layer.name}.weight`, shape: [layer.outFeatures, layer.inFeatures], role: 'weight', layer: layer.op },
        { name: `${layer.name}.bias`, shape: [layer.outFeatures], role: 'bias', layer: layer.op },
      ]
    case 'relu':
    case 'add':
    case 'maxPool':
    case 'globalAvgPool':
      return []
    default:
      return layer satisfies never
  }
}
