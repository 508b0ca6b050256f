// The values behind a load plan, read tensor by tensor in the model's order.
import { isFinite, type DeferredTensor, type TensorSource } from '../state-dict.ts'
import type { HostTensor } from '../../engine.ts'
import { elementCount, stateEntries } from '../../models/parameters.ts'
import type { LoadPlan } from './plan.ts'
import type { OpenedSource } from './source.ts'

export interface ReadOptions {
  /** Told the bytes of each tensor, as fp32, once it is read. */
  onRead?: (bytes: number) => void
  /** What to do with a tensor that holds a NaN or an infinity: throw, or note it. */
  onNonFinite: (name: string) => void
}

/** What the plan matched, under the model's names; counters that the file lacks as zeros. */
export function plannedTensors(plan: LoadPlan, opened: OpenedSource, options: ReadOptions): TensorSource {
  const assumed = new Set(plan.report.assumedZero)
  const shapes = new Map(plan.graph === null ? [] : stateEntries(plan.graph).map(({ name, shape }) => [name, shape]))
  return new Map(
    plan.report.matched.map((name): [string, HostTensor | DeferredTensor] => {
      const shape = shapes.get(name) ?? []
      const tensor = opened.weights.get(plan.sources.get(name) ?? '')
      if (assumed.has(name) || tensor === undefined)
        return [name, { shape, data: new Float32Array(elementCount(shape)) }]
      const read = async (): Promise<Float32Array> => {
        const values = await opened.readFloats(tensor)
        if (!isFinite(values)) options.onNonFinite(name)
        options.onRead?.(values.byteLength)
        return values
      }
      return [name, { shape, read }]
    }),
  )
}
