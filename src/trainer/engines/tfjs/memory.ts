// What a session on TensorFlow.js will hold, before it is opened.
import type { SessionSpec } from '../../engine.ts'
import { elementCount, optimizerSlots, parameterEntries, stateEntries } from '../../models/parameters.ts'

const bytesPerValue = 4

/**
 * Values held for each activation and each parameter besides state, slots and gradients: what backward keeps
 * (normalised values, padded inputs, gradients), and weights packed by the backend or replaced in the update.
 * Fitted to the growth of the wasm heap: within 35 % for ResNet-18 and 50 on 28 to 112 pixels, 8 to 64 images.
 */
const valuesPerActivation = 8
const copiesPerParameter = 4

/** Estimated peak bytes; the gradients of one shard's subtree are held for each level of the tree sum. */
export function sessionMemoryBytes({ graph, globalBatch, shards, optimizer }: SessionSpec): number {
  const values = (entries: readonly { shape: readonly number[] }[]) =>
    entries.reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const parameters = values(parameterEntries(graph))
  const gradientSets = Math.log2(shards) + 1
  const activations = (globalBatch / shards) * graph.shapes.reduce((sum, shape) => sum + elementCount(shape), 0)
  const total =
    values(stateEntries(graph)) +
    parameters * (optimizerSlots(optimizer).length + gradientSets + copiesPerParameter) +
    valuesPerActivation * activations
  return bytesPerValue * total
}
