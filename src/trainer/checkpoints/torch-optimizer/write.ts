// An optimiser's state as torch.optim's load_state_dict takes it: by number of the parameter, in the order of
// `model.parameters()`.
import type { OptimizerSpec } from '../../../shared/recipe.ts'
import type { HostTensor, OptimizerState } from '../../engine.ts'
import type { ModelGraph } from '../../models/graph.ts'
import { optimizerSlots, parameterEntries } from '../../models/parameters.ts'

export type TorchSetting = number | boolean | null | readonly number[]

export interface TorchOptimizerState {
  /** By number of the parameter: slot to tensor. Adam's `step` is a scalar tensor. */
  state: Map<number, Map<string, HostTensor>>
  /** `params` last, as torch.optim writes them; `betas` is a pair. */
  groups: Record<string, TorchSetting>[]
}

export interface TorchOptimizerSource {
  graph: ModelGraph
  optimizer: OptimizerSpec
  learningRate: number
  state: OptimizerState
}

/**
 * One group; two, first all weights and then all vectors (scales, shifts, biases), where vectors do not decay. The
 * optimiser that loads it must have been made with the same groups.
 */
export function toTorchOptimizer({ graph, optimizer, learningRate, state }: TorchOptimizerSource): TorchOptimizerState {
  const parameters = parameterEntries(graph)
  const apart = optimizer.weightDecay > 0 && !optimizer.decayVectors
  const weights = parameters.filter(({ shape }) => shape.length > 1)
  const vectors = parameters.filter(({ shape }) => shape.length === 1)
  const groups = apart ? [weights, vectors] : [parameters]
  const ordered = groups.flat()
  const numberOf = new Map(ordered.map(({ name }, number) => [name, number]))
  return {
    state: new Map(ordered.map(({ name }, number) => [number, slotsOf(name, { optimizer, state })])),
    groups: groups.map((group) => ({
      ...groupSettings(optimizer, { learningRate, decays: !(apart && group === vectors) }),
      params: group.map(({ name }) => numberOf.get(name) ?? 0),
    })),
  }
}

function slotsOf(
  parameter: string,
  { optimizer, state }: Pick<TorchOptimizerSource, 'optimizer' | 'state'>,
): Map<string, HostTensor> {
  const slots = new Map<string, HostTensor>()
  if (optimizer.kind !== 'SGD') slots.set('step', { shape: [], data: Float32Array.of(state.step) })
  for (const slot of optimizerSlots(optimizer)) {
    const tensor = state.tensors.get(`${slot}.${parameter}`)
    if (tensor !== undefined) slots.set(slot, tensor)
  }
  return slots
}

interface GroupOptions {
  learningRate: number
  decays: boolean
}

/** In torch.optim's order and with its defaults for what there is not here. */
function groupSettings(optimizer: OptimizerSpec, { learningRate, decays }: GroupOptions): Record<string, TorchSetting> {
  const weight_decay = decays ? optimizer.weightDecay : 0
  switch (optimizer.kind) {
    case 'SGD': {
      const { momentum, nesterov } = optimizer
      const rest = { weight_decay, nesterov, maximize: false, foreach: null, differentiable: false, fused: null }
      return { lr: learningRate, momentum, dampening: 0, ...rest }
    }
    case 'ADAM':
    case 'ADAMW':
      return {
        lr: learningRate,
        betas: [optimizer.beta1, optimizer.beta2],
        eps: optimizer.epsilon,
        weight_decay,
        amsgrad: false,
        maximize: false,
        foreach: null,
        capturable: false,
        differentiable: false,
        fused: null,
        decoupled_weight_decay: optimizer.kind === 'ADAMW',
      }
    default:
      return optimizer satisfies never
  }
}
