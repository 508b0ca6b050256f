// The updates of the float64 reference: one number at a time, as the papers and PyTorch's documentation write them.
import type { OptimizerSpec } from '../../src/shared/run-spec.ts'
import { at, get, type Values } from './reference-layers.ts'

/** Gradients scaled down so that their common norm is at most `limit`, as torch.nn.utils.clip_grad_norm_ does. */
export function clipped(gradients: Values, limit: number): Values {
  const squares = [...gradients.values()].map((values) => values.reduce((sum, value) => sum + value * value, 0))
  const norm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0))
  const coefficient = limit / (norm + 1e-6)
  if (coefficient >= 1) return gradients
  return new Map([...gradients].map(([name, values]) => [name, values.map((value) => coefficient * value)]))
}

export interface Parameter {
  name: string
  shape: readonly number[]
  state: Values
  /** By `${slot}.${parameter}`; made at the first update. */
  slots: Values
}

export interface Step {
  gradient: Float64Array
  /** Number of this update, from 1. */
  updates: number
  learningRate: number
}

export function update(optimizer: OptimizerSpec, parameter: Parameter, step: Step): void {
  const { name, shape, state, slots } = parameter
  const weights = get(state, name)
  const slot = (kind: string): Float64Array => {
    const values = slots.get(`${kind}.${name}`) ?? new Float64Array(weights.length)
    slots.set(`${kind}.${name}`, values)
    return values
  }
  const decay = shape.length === 1 && !optimizer.decayVectors ? 0 : optimizer.weightDecay
  const next =
    optimizer.kind === 'SGD'
      ? sgd(optimizer, slot('momentum_buffer'), step)
      : adam(optimizer, { mean: slot('exp_avg'), square: slot('exp_avg_sq') }, step)
  weights.forEach((weight, i) => (weights[i] = next(weight, i, decay)))
}

type Next = (weight: number, index: number, decay: number) => number

function sgd(
  { momentum, nesterov }: Extract<OptimizerSpec, { kind: 'SGD' }>,
  buffer: Float64Array,
  { gradient, updates, learningRate }: Step,
): Next {
  return (weight, i, decay) => {
    const g = at(gradient, i) + decay * weight
    const velocity = updates === 1 ? g : momentum * at(buffer, i) + g
    buffer[i] = velocity
    return weight - learningRate * (nesterov ? g + momentum * velocity : velocity)
  }
}

function adam(
  { kind, beta1, beta2, epsilon }: Exclude<OptimizerSpec, { kind: 'SGD' }>,
  { mean, square }: { mean: Float64Array; square: Float64Array },
  { gradient, updates, learningRate }: Step,
): Next {
  return (weight, i, decay) => {
    const decayed = kind === 'ADAMW' ? weight - learningRate * decay * weight : weight
    const g = at(gradient, i) + (kind === 'ADAM' ? decay * weight : 0)
    const m = beta1 * at(mean, i) + (1 - beta1) * g
    const v = beta2 * at(square, i) + (1 - beta2) * g * g
    mean[i] = m
    square[i] = v
    const meanHat = m / (1 - beta1 ** updates)
    const squareHat = v / (1 - beta2 ** updates)
    return decayed - (learningRate * meanHat) / (Math.sqrt(squareHat) + epsilon)
  }
}
