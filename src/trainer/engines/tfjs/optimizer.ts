// One optimiser update of one parameter, in the arithmetic of torch.optim.SGD, Adam and AdamW.
import type { Tensor } from '@tensorflow/tfjs'
import type { OptimizerSpec } from '../../../shared/run-spec.ts'

export interface Update {
  parameter: Tensor
  /** In the order of `optimizerSlots`. */
  slots: Tensor[]
}

export interface Change {
  gradient: Tensor
  /** Number of this update, from 1. */
  step: number
  learningRate: number
  /** Of this parameter. */
  weightDecay: number
}

/**
 * The parameter and its slots after an update. Call inside `tf.tidy`.
 * SGD as torch.optim.SGD without dampening: its buffer starts as the first gradient, which is what a buffer of zeros
 * gives. Adam: Kingma & Ba 2014, arXiv:1412.6980, with bias correction; weight decay is L2, added to the gradient.
 * AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101: weight decay is taken off the parameter instead.
 */
export function updated(optimizer: OptimizerSpec, { parameter, slots }: Update, change: Change): Update {
  const { gradient, step, learningRate, weightDecay } = change
  const decayed = weightDecay === 0 ? gradient : gradient.add(parameter.mul(weightDecay))
  const [first, second] = slots
  switch (optimizer.kind) {
    case 'SGD': {
      if (first === undefined) throw new RangeError('SGD keeps one slot')
      const buffer = first.mul(optimizer.momentum).add(decayed)
      const direction = optimizer.nesterov ? decayed.add(buffer.mul(optimizer.momentum)) : buffer
      return { parameter: parameter.sub(direction.mul(learningRate)), slots: [buffer] }
    }
    case 'ADAM':
    case 'ADAMW': {
      if (first === undefined || second === undefined) throw new RangeError('Adam keeps two slots')
      const decoupled = optimizer.kind === 'ADAMW'
      const slope = decoupled ? gradient : decayed
      const kept = decoupled ? parameter.mul(1 - learningRate * weightDecay) : parameter
      const { beta1, beta2, epsilon } = optimizer
      const mean = first.mul(beta1).add(slope.mul(1 - beta1))
      const square = second.mul(beta2).add(slope.square().mul(1 - beta2))
      const denominator = square
        .sqrt()
        .div(Math.sqrt(1 - beta2 ** step))
        .add(epsilon)
      const stepSize = learningRate / (1 - beta1 ** step)
      return { parameter: kept.sub(mean.div(denominator).mul(stepSize)), slots: [mean, square] }
    }
    default:
      return optimizer satisfies never
  }
}

/**
 * min(1, limit / (norm + 1e-6)) with the norm over all gradients together, as torch.nn.utils.clip_grad_norm_. Summed in
 * float64 on the host: millions of squares in float32 would lose digits that every weight then lacks.
 */
export async function clipScaleOf(gradients: ReadonlyMap<string, Tensor>, limit: number): Promise<number> {
  let squares = 0
  for (const gradient of gradients.values())
    for (const value of await gradient.data<'float32'>()) squares += value * value
  return Math.min(1, limit / (Math.sqrt(squares) + 1e-6))
}
