// One optimiser update of one parameter, in the arithmetic of torch.optim.SGD and torch.optim.Adam.
import type { Tensor } from '@tensorflow/tfjs'
import type { OptimizerSpec } from '../../../shared/run-spec.ts'

export interface Update {
  parameter: Tensor
  /** In the order of `optimizerSlots`. */
  slots: Tensor[]
}

/**
 * The parameter and its slots after update number `step` (from 1). Weight decay is L2, added to the gradient.
 * SGD as torch.optim.SGD without dampening or Nesterov: its buffer starts as the first gradient, which is what
 * a buffer of zeros gives. Adam: Kingma & Ba 2014, arXiv:1412.6980, with bias correction. Call inside `tf.tidy`.
 */
export function updated(
  optimizer: OptimizerSpec,
  { parameter, slots }: Update,
  { gradient, step, learningRate }: { gradient: Tensor; step: number; learningRate: number },
): Update {
  const decayed = optimizer.weightDecay === 0 ? gradient : gradient.add(parameter.mul(optimizer.weightDecay))
  const [first, second] = slots
  switch (optimizer.kind) {
    case 'SGD': {
      if (first === undefined) throw new RangeError('SGD keeps one slot')
      const buffer = first.mul(optimizer.momentum).add(decayed)
      return { parameter: parameter.sub(buffer.mul(learningRate)), slots: [buffer] }
    }
    case 'ADAM': {
      if (first === undefined || second === undefined) throw new RangeError('Adam keeps two slots')
      const { beta1, beta2, epsilon } = optimizer
      const mean = first.mul(beta1).add(decayed.mul(1 - beta1))
      const square = second.mul(beta2).add(decayed.square().mul(1 - beta2))
      const denominator = square
        .sqrt()
        .div(Math.sqrt(1 - beta2 ** step))
        .add(epsilon)
      const stepSize = learningRate / (1 - beta1 ** step)
      return { parameter: parameter.sub(mean.div(denominator).mul(stepSize)), slots: [mean, square] }
    }
    default:
      return optimizer satisfies never
  }
}
