// The optimiser's state beside weights, from whatever kept it, as tensors under our names that can be read one by one.
import type { FileTensor } from '../formats/tensor-file.ts'
import { elementCount, optimizerSlots, parameterEntries } from '../../models/parameters.ts'
import type { ModelGraph } from '../../models/graph.ts'
import type { Manifest } from '../manifest.ts'
import { readTorchOptimizer } from '../torch-optimizer/read.ts'
import type { TensorSource } from '../state-dict.ts'
import type { OpenedSource } from './source.ts'

export type OptimizerReading =
  | { kind: 'NONE' }
  /** There is one, and why it cannot be taken over; `of` says whose it is. */
  | { kind: 'DECLINED'; of: string; why: string }
  | {
      kind: 'FOUND'
      /** Kind, settings and updates done, as manifests have them. */
      optimizer: NonNullable<Manifest['optimizer']>
      tensors: ReadonlyMap<string, FileTensor | null>
      source: TensorSource
    }

export interface OptimizerContext {
  graph: ModelGraph
  /** That was taken off the weights' names. */
  prefix: string
}

export async function readOptimizer(opened: OpenedSource, context: OptimizerContext): Promise<OptimizerReading> {
  const { optimizer: found, readFloats } = opened
  if (found === null) return { kind: 'NONE' }
  if (found.kind === 'OURS') return ours(found, opened, context)
  const readScalar = async (tensor: FileTensor): Promise<number> => (await readFloats(tensor))[0] ?? NaN
  const reading = await readTorchOptimizer(found.dict, { ...context, readScalar })
  if ('why' in reading) return { kind: 'DECLINED', of: reading.kind, why: reading.why }
  const { settings, step, tensors } = reading.optimizer
  return {
    kind: 'FOUND',
    optimizer: { ...settings, step },
    tensors,
    source: deferred(tensors, { graph: context.graph, readFloats }),
  }
}

function ours(
  { settings, tensors }: Extract<OpenedSource['optimizer'], { kind: 'OURS' }>,
  { readFloats }: OpenedSource,
  { graph }: OptimizerContext,
): OptimizerReading {
  const slots = settings.kind === 'SGD' ? optimizerSlots({ kind: 'SGD' }) : optimizerSlots({ kind: 'ADAM' })
  for (const slot of slots) {
    for (const { name } of parameterEntries(graph)) {
      const why = `it has no ${slot} of "${name}"`
      if (!tensors.has(`${slot}.${name}`)) return { kind: 'DECLINED', of: settings.kind, why }
    }
  }
  return { kind: 'FOUND', optimizer: settings, tensors, source: deferred(tensors, { graph, readFloats }) }
}

interface Reading {
  graph: ModelGraph
  readFloats: OpenedSource['readFloats']
}

function deferred(tensors: ReadonlyMap<string, FileTensor | null>, { graph, readFloats }: Reading): TensorSource {
  const shapes = new Map(parameterEntries(graph).map(({ name, shape }) => [name, shape]))
  return new Map(
    [...tensors].map(([key, tensor]) => {
      const shape = shapes.get(key.slice(key.indexOf('.') + 1)) ?? []
      const read = (): Promise<Float32Array> =>
        tensor === null ? Promise.resolve(new Float32Array(elementCount(shape))) : readFloats(tensor)
      return [key, { shape, read }]
    }),
  )
}
