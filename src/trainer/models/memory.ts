// How much memory training a model takes on the native engine, before anything is opened: pure arithmetic. It follows
// what the engine's plan decides (native/src/plan); test/engine/memory.test.ts holds the two together.
import { shardBytes } from './activation-memory.ts'
import type { ConvLayer, ModelGraph } from './graph.ts'
import { elementCount, optimizerSlots, parameterCount, stateEntries } from './parameters.ts'
import { elementBytes, floatBytes, usesWinograd, type TrainingPlan } from './training-plan.ts'

/** In bytes. Channels padded to whole vectors are left out: with 64 channels and more they are few. */
export interface MemoryEstimate {
  // Held once, by all replicas together.
  /** Parameters and running statistics, fp32. */
  weightBytes: number
  optimizerBytes: number
  // Held by each replica.
  /** Those of a few layers at a time; or one set for each level of its part of the sum over shards that waits for its other half. */
  gradientBytes: number
  /** Activations kept for the backward pass of the shards at work, with the gradients alive beside them, at their peak. */
  activationBytes: number
  /** The weights of one layer at a time, in the layout and the precision that its kernels read. */
  weightCopyBytes: number
  /** Working memory of the largest convolution. */
  scratchBytes: number
  /** The four above. */
  replicaBytes: number
  totalBytes: number
}

export function estimateMemory(plan: TrainingPlan): MemoryEstimate {
  const { graph, shards, devices, optimizer } = plan
  const convolutions = graph.layers.filter((layer) => layer.op === 'conv')
  const parameters = parameterCount(graph)
  const idle = convolutions.reduce((sum, layer) => sum + tapValues(layer) * idleTaps(graph, layer), 0)
  const weightBytes = floatBytes * stateEntries(graph).reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const optimizerBytes = floatBytes * parameters * optimizerSlots(optimizer).length
  const gradientFloats = streams(plan) ? streamedFloats(graph) : parameters - idle
  const gradientBytes = floatBytes * gradientFloats * gradientSets(shards / devices)
  const activationBytes = shardsAtOnce(plan) * shardBytes(plan)
  const weightCopyBytes = floatBytes * Math.max(0, ...convolutions.map((layer) => copiedFloats(plan, layer)))
  const scratchBytes = Math.max(0, ...convolutions.map((layer) => scratchOf(plan, layer)))
  const replicaBytes = gradientBytes + activationBytes + weightCopyBytes + scratchBytes
  return {
    weightBytes,
    optimizerBytes,
    gradientBytes,
    activationBytes,
    weightCopyBytes,
    scratchBytes,
    replicaBytes,
    totalBytes: weightBytes + optimizerBytes + devices * replicaBytes,
  }
}

/** The second shard of a pair is added as it is computed, and a replica's last addition is left to the update. */
function gradientSets(shardsOfReplica: number): number {
  return Math.max(1, Math.log2(shardsOfReplica))
}

/** Where all shards of a replica are at work at once and no norm is waited for, gradients are used up layer by layer. */
function streams(plan: TrainingPlan): boolean {
  return plan.clipped !== true && shardsAtOnce(plan) === plan.shards / plan.devices
}

/** Layers whose gradients of weights are in memory at once, as in native/src/plan/gradient_plan.h. */
const streamedLayers = 4

/** Vectors are all kept. */
function streamedFloats(graph: ModelGraph): number {
  const weights = graph.layers.flatMap((layer) => {
    if (layer.op === 'linear') return { all: layer.inFeatures * layer.outFeatures, idle: 0 }
    return layer.op === 'conv'
      ? { all: tapValues(layer) * layer.kernel ** 2, idle: tapValues(layer) * idleTaps(graph, layer) }
      : []
  })
  const vectors = weights.reduce((rest, { all }) => rest - all, parameterCount(graph))
  const atOnce = weights.map((_, at) =>
    weights.slice(at, at + streamedLayers).reduce((sum, { all, idle }) => sum + all - idle, 0),
  )
  return Math.max(0, ...atOnce) + vectors
}

/** A replica takes its shards in pairs, or all together where batch norm is over the global batch. */
function shardsAtOnce({ shards, devices, syncBatchNorm = false }: TrainingPlan): number {
  const each = shards / devices
  return syncBatchNorm ? each : Math.min(2, each)
}

/** Weights of one tap of the filter. */
function tapValues({ inChannels, outChannels }: ConvLayer): number {
  return inChannels * outChannels
}

/** Taps that only ever meet padding: they have no gradient. */
function idleTaps(graph: ModelGraph, { input, output, kernel, stride, padding }: ConvLayer): number {
  const [, height, width] = graph.shapes[input] ?? [0, 0, 0]
  const [, outHeight, outWidth] = graph.shapes[output] ?? [0, 0, 0]
  const alive = (size: number, outSize: number): number =>
    Array.from({ length: kernel }, (_, tap) => tap).filter((tap) =>
      Array.from({ length: outSize }, (_, at) => at * stride - padding + tap).some((at) => at >= 0 && at < size),
    ).length
  // The image batch has a border of its own: there every tap is alive.
  return input === 0 ? 0 : kernel ** 2 - alive(height, outHeight) * alive(width, outWidth)
}

const winogradPlanes = 36

/** Winograd's planes are made so many floats at once, in whole panels of output channels. */
const mostFloatsOfPlanes = 1024 * 1024
const panelChannels = 32

/** Transposed taps for the data gradient, in BF16 two values to a float; or a part of Winograd's planes. */
function copiedFloats(plan: TrainingPlan, layer: ConvLayer): number {
  if (layer.input === 0) return 0
  if (usesWinograd(plan, layer)) {
    const most = Math.max(
      mostFloatsOfPlanes,
      winogradPlanes * panelChannels * Math.max(layer.inChannels, layer.outChannels),
    )
    return Math.min(winogradPlanes * tapValues(layer), most)
  }
  const taps = layer.kernel ** 2 - idleTaps(plan.graph, layer)
  return (tapValues(layer) * taps * elementBytes(plan)) / floatBytes
}

/** What a direct weight gradient reads at once: the larger, the more weights it adds to. As in native/src/plan/convolution.cc. */
function blockBytesOf(layer: ConvLayer, mapBytes: number): number {
  const uncutBytes = 640 * 1024
  if (mapBytes <= uncutBytes) return uncutBytes
  const tapBytes = floatBytes * tapValues(layer) * (layer.input === 0 ? layer.kernel ** 2 : 1)
  return Math.min(Math.max(tapBytes / 2, 160 * 1024), 1280 * 1024)
}
/** Winograd's tiles in flight. */
const tileBytes = 384 * 1024 * floatBytes
/** Larger sums of Winograd's weight gradient are made slice by slice, of all tiles at once. */
const mostWholeSums = 1024 * 1024
const sliceFloats = 8 * 14 * 32

/** Bytes beside the maps: Winograd's planes of a weight gradient, or a direct one apart, and BF16's rows in pairs. */
function scratchOf(plan: TrainingPlan, layer: ConvLayer): number {
  const { graph, globalBatch, shards } = plan
  const [, height, width] = graph.shapes[layer.output] ?? [0, 0, 0]
  if (usesWinograd(plan, layer)) {
    const sums = winogradPlanes * tapValues(layer)
    if (sums <= mostWholeSums) return floatBytes * sums + tileBytes
    const tiles = Math.ceil(height / 4) * Math.ceil(width / 4) * (globalBatch / shards)
    return floatBytes * winogradPlanes * (tiles * (layer.inChannels + layer.outChannels) + sliceFloats)
  }
  const pixelBytes = (globalBatch / shards) * (layer.inChannels + layer.outChannels) * elementBytes(plan)
  const blockBytes = blockBytesOf(layer, height * width * pixelBytes)
  const taps = layer.kernel ** 2 - idleTaps(graph, layer)
  const gradient = height * width * pixelBytes > blockBytes ? floatBytes * tapValues(layer) * taps : 0
  return gradient + (plan.precision === 'BF16' && layer.input !== 0 ? blockBytes : 0)
}
