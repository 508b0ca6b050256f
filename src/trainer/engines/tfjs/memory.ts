// What a session on TensorFlow.js will hold, before it is opened.
import type { SessionSpec } from '../../engine.ts'
import { elementCount, parameterEntries, stateEntries } from '../../models/parameters.ts'
import { optimizerSlots } from '../session-spec.ts'

const bytesPerValue = 4

/**
 * Estimated peak bytes: state, optimiser slots, one set of gradients for each level of the tree sum, and one
 * shard's activations with what backward keeps beside them (normalised values, padded inputs, gradients).
 */
export function sessionMemoryBytes({ graph, globalBatch, shards, optimizer }: SessionSpec): number {
  const values = (entries: readonly { shape: readonly number[] }[]) =>
    entries.reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const parameters = values(parameterEntries(graph))
  const gradientSets = Math.log2(shards) + 1
  const activations = (globalBatch / shards) * graph.shapes.reduce((sum, shape) => sum + elementCount(shape), 0)
  const perActivation = 4
  const total =
    values(stateEntries(graph)) +
    parameters * (optimizerSlots(optimizer).length + gradientSets) +
    perActivation * activations
  return bytesPerValue * total
}
