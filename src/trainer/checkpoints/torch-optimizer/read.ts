// The state of an optimiser of torch.optim, by number of the parameter, as ours by its name; of SGD, Adam and AdamW.
// Layout: torch.optim.Optimizer.state_dict, https://docs.pytorch.org/docs/stable/optim.html.
import type { OptimizerKind } from '../../../shared/recipe.ts'
import { isDict, isSequence, isTensor } from '../formats/file-values.ts'
import type { FileDict, FileTensor, FileValue } from '../formats/tensor-file.ts'
import type { ModelGraph } from '../../models/graph.ts'
import { optimizerSlots, parameterEntries, type StateEntry } from '../../models/parameters.ts'
import { parameterOrder } from './parameter-order.ts'

export interface TorchOptimizer {
  /** With our names of the settings. */
  settings: { kind: OptimizerKind } & Record<string, number | boolean | string>
  /** Updates done; 0 where the file does not say, as SGD's does not. */
  step: number
  /** By `${slot}.${parameter}`, in the model's order; null: zeros, for which the file has nothing. */
  tensors: Map<string, FileTensor | null>
}

export type TorchOptimizerReading = { optimizer: TorchOptimizer } | { kind: string; why: string }

export interface ReadContext {
  graph: ModelGraph
  /** Taken off the names of the weights, and off the parameters' where the file has them. */
  prefix: string
  readScalar: (tensor: FileTensor) => Promise<number>
}

/** One parameter's part of the state. */
type Slots = ReadonlyMap<FileValue, FileValue>

/** @returns why not, where the state belongs to no parameters of the model or to an optimiser that is not here. */
export async function readTorchOptimizer(dict: FileDict, context: ReadContext): Promise<TorchOptimizerReading> {
  const { graph } = context
  const groups = groupsOf(dict)
  const kind = kindOf(groups)
  if (kind === null) return { kind: 'UNKNOWN', why: 'it is of an optimiser other than SGD, Adam and AdamW' }
  const decline = (why: string): TorchOptimizerReading => ({ kind, why })
  const unusual = unusualSetting(groups)
  if (unusual !== null) return decline(`it was trained with ${unusual}, which there is not here`)

  const parameters = parameterEntries(graph)
  const states = statesByName(dict, { groups, parameters, kind, prefix: context.prefix })
  if (typeof states === 'string') return decline(states)
  if (states.size === 0) return decline('it has no state yet')

  const slots = optimizerSlots({ kind })
  const tensors = new Map<string, FileTensor | null>()
  const steps = new Set<number>()
  for (const slot of slots) {
    for (const { name, shape } of parameters) {
      const tensor = states.get(name)?.get(slot)
      if (isTensor(tensor)) {
        if (!equal(tensor.shape, shape)) return decline(`its ${slot} of "${name}" is of another shape`)
        tensors.set(`${slot}.${name}`, tensor)
        // A momentum that was never set is one of zeros; Adam's first steps are no zeros.
      } else if (kind === 'SGD') tensors.set(`${slot}.${name}`, null)
      else return decline(`it has no ${slot} of "${name}"`)
    }
  }
  for (const state of states.values()) {
    const step = state.get('step')
    if (typeof step === 'number') steps.add(step)
    else if (isTensor(step)) steps.add(await context.readScalar(step))
  }
  if (steps.size > 1) return decline('its parameters were updated different numbers of times')
  const [step = 0] = steps
  if (!Number.isSafeInteger(step) || step < 0) return decline(`it counts ${step} updates`)
  return { optimizer: { settings: settingsOf(kind, groups, parameters), step, tensors } }
}

function groupsOf({ entries }: FileDict): FileDict[] {
  const groups = entries.get('param_groups')
  return isSequence(groups, 'list', 'tuple') ? groups.items.filter(isDict) : []
}

/** By the settings that only one of them has; AdamW is Adam that says so, which it does since PyTorch 2.7. */
function kindOf([group]: readonly FileDict[]): OptimizerKind | null {
  if (group === undefined) return null
  const has = (setting: string): boolean => group.entries.has(setting)
  if (has('momentum') && has('dampening')) return 'SGD'
  if (!has('betas') || !has('eps') || !has('amsgrad')) return null
  return group.entries.get('decoupled_weight_decay') === true ? 'ADAMW' : 'ADAM'
}

function unusualSetting(groups: readonly FileDict[]): string | null {
  for (const { entries } of groups) {
    if (numberOf(entries.get('dampening')) !== 0) return 'dampening'
    if (entries.get('amsgrad') === true) return 'amsgrad'
    if (entries.get('maximize') === true) return 'maximize'
  }
  return null
}

interface Naming {
  groups: readonly FileDict[]
  parameters: readonly StateEntry[]
  kind: OptimizerKind
  prefix: string
}

/** A reason where the parameters cannot be told. */
function statesByName(dict: FileDict, { groups, parameters, kind, prefix }: Naming): Map<string, Slots> | string {
  const state = dict.entries.get('state')
  const slotsOf = (key: FileValue): Slots | undefined => {
    const slots = isDict(state) ? state.entries.get(key) : undefined
    return isDict(slots) ? slots.entries : undefined
  }
  const numbers = groups.flatMap(({ entries }) => {
    const list = entries.get('params')
    return isSequence(list, 'list', 'tuple') ? list.items : []
  })
  const given = groups.flatMap(({ entries }) => {
    const list = entries.get('param_names')
    return isSequence(list, 'list', 'tuple') ? list.items : []
  })
  // Names stand in the groups, or are themselves the keys, as torch.distributed.checkpoint has them.
  const names = given.length === numbers.length ? given : numbers
  const found = new Map<string, Slots>()
  const known = new Set(parameters.map(({ name }) => name))
  const note = (name: string, key: FileValue): void => {
    const slots = slotsOf(key)
    if (slots !== undefined) found.set(name, slots)
  }
  if (names.length > 0 && names.every((name) => typeof name === 'string')) {
    for (const [index, name] of names.entries()) {
      const own = name.startsWith(prefix) ? name.slice(prefix.length) : name
      if (!known.has(own)) return `it is of a parameter "${name.slice(0, 100)}" that the model does not have`
      note(own, numbers[index] ?? name)
    }
    return found
  }
  if (numbers.length !== parameters.length) {
    return `it is of ${numbers.length} parameters, and the model has ${parameters.length}`
  }
  const [slot = ''] = optimizerSlots({ kind })
  const shapes = numbers.map((number) => {
    const tensor = slotsOf(number)?.get(slot)
    return isTensor(tensor) ? tensor.shape : undefined
  })
  const order = parameterOrder(parameters, shapes)
  if (order === null) return 'its parameters are in an order that is not known'
  for (const [index, { name }] of order.entries()) note(name, numbers[index] ?? null)
  return found
}

function settingsOf(
  kind: OptimizerKind,
  groups: readonly FileDict[],
  parameters: readonly StateEntry[],
): TorchOptimizer['settings'] {
  const number = (setting: string, group = groups[0]): number => numberOf(group?.entries.get(setting))
  const decays = groups.map((group) => number('weight_decay', group))
  const weightDecay = Math.max(0, ...decays)
  const vectors = parameters.filter(({ shape }) => shape.length === 1).length
  const spared = groups.some((group, index) => decays[index] === 0 && sizeOf(group) === vectors)
  const shared = { weightDecay, decayVectors: !(weightDecay > 0 && spared), learningRate: number('lr') }
  if (kind === 'SGD') {
    const nesterov = groups[0]?.entries.get('nesterov') === true
    return { kind, momentum: number('momentum'), nesterov, ...shared }
  }
  const betas = groups[0]?.entries.get('betas')
  const [beta1, beta2] = isSequence(betas, 'list', 'tuple') ? betas.items : []
  return { kind, beta1: numberOf(beta1), beta2: numberOf(beta2), epsilon: number('eps'), ...shared }
}

function sizeOf({ entries }: FileDict): number {
  const list = entries.get('params')
  return isSequence(list, 'list', 'tuple') ? list.items.length : 0
}

/** A learning rate may be a tensor, which is not read for what is only told. */
function numberOf(value: FileValue | undefined): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, dimension) => size === b[dimension])
}
