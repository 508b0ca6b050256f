// Between torchvision's layout of weights and that of TensorFlow.js.
import type { Tensor } from '@tensorflow/tfjs'

/** (O, I, kH, kW) to (kH, kW, I, O), (out, in) to (in, out); vectors as they are. */
export function toEngineLayout(tensor: Tensor): Tensor {
  if (tensor.rank === 4) return tensor.transpose([2, 3, 1, 0])
  return tensor.rank === 2 ? tensor.transpose([1, 0]) : tensor.clone()
}

export function toCanonicalLayout(tensor: Tensor): Tensor {
  if (tensor.rank === 4) return tensor.transpose([3, 2, 0, 1])
  return tensor.rank === 2 ? tensor.transpose([1, 0]) : tensor.clone()
}
