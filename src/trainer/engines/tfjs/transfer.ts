// Named tensors between the host, in canonical layout, and the backend, in the engine's.
import type { Tensor } from '@tensorflow/tfjs'
import type { StateDict } from '../../engine.ts'
import type { Operations } from './layers.ts'
import { toCanonicalLayout, toEngineLayout } from './layout.ts'

/** A host copy. */
export async function toStateDict(tf: Operations['tf'], tensors: ReadonlyMap<string, Tensor>): Promise<StateDict> {
  const dict: StateDict = new Map()
  for (const [name, tensor] of tensors) {
    const canonical = tf.tidy(() => toCanonicalLayout(tensor))
    dict.set(name, { shape: canonical.shape, data: Float32Array.from(await canonical.data<'float32'>()) })
    canonical.dispose()
  }
  return dict
}

/** A copy on the backend, the caller's to dispose of. */
export function toTensors(tf: Operations['tf'], dict: StateDict): [string, Tensor][] {
  return [...dict].map(([name, { shape, data }]) => [name, tf.tidy(() => toEngineLayout(tf.tensor(data, [...shape])))])
}
