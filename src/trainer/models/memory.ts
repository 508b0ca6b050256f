// How much memory training a model takes on the native engine, before anything is opened: pure arithmetic. It follows
// what the engine's plan decides (native/src/plan); test/engine/memory.test.ts holds the two together.
import type { OptimizerSpec, Precision } from '../../shared/recipe.ts'
import { inputsOf, type ConvLayer, type Layer, type ModelGraph } from './graph.ts'
import { elementCount, optimizerSlots, parameterCount, stateEntries } from './parameters.ts'

export interface TrainingPlan {
  graph: ModelGraph
  globalBatch: number
  /** A power of two that divides the global batch. */
  shards: number
  /** How many; a power of two, at most `shards`. */
  devices: number
  optimizer: Pick<OptimizerSpec, 'kind'>
  precision: Precision
  /** Default: false. */
  syncBatchNorm?: boolean
  /** Whether the gradient's norm is limited. Default: false. */
  clipped?: boolean
}

/** In bytes. Channels padded to whole vectors are left out: with 64 channels and more they are few. */
export interface MemoryEstimate {
  // Held once, by all replicas together.
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

/** Of weights, gradients of weights, optimiser state and images, whatever the precision. */
const floatBytes = 4

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

/** Bytes of a value of an activation or its gradient. */
function elementBytes({ precision }: Pick<TrainingPlan, 'precision'>): number {
  return precision === 'BF16' ? 2 : 4
}

/** As `preferWinograd` in native/src/plan/plan.cc. */
function usesWinograd({ graph, precision }: TrainingPlan, layer: ConvLayer): boolean {
  const { input, output, kernel, stride, padding } = layer
  const [, height, width] = graph.shapes[output] ?? [0, 0, 0]
  if (precision === 'BF16') return false
  return kernel === 3 && stride === 1 && padding === 1 && input !== 0 && height >= 3 && width >= 3
}

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

/** When a buffer is first and last needed, counted in steps of the plan: forward up, then backward down. */
interface Lifetime {
  bytes: number
  first: number
  last: number
}

/** Bytes of a shard up to which all activations are kept that the backward pass reads, as in native/src/plan/plan.h. */
const mostKeptBytes = 144 * 1024 * 1024

/** The most bytes of one shard that a training step holds at once, gradients and activations together. */
function shardBytes(plan: TrainingPlan): number {
  const images = plan.globalBatch / plan.shards
  const kept = images * peakBytes(plan, [])
  return kept > mostKeptBytes ? images * peakBytes(plan, madeAnew(plan, fusedSteps(plan.graph))) : kept
}

/** Outputs of batch norms that are nowhere in memory, since all their readers norm the input as they read; with that input. */
function absentOutputs(plan: TrainingPlan, steps: readonly FusedStep[]): Map<number, number> {
  const normsAsItReads = (reader: FusedStep, norm: FusedStep): boolean => {
    if (reader.isNorm) return reader.inputs[1] === norm.output && !norm.hasRelu
    return reader.layer.op === 'maxPool' || (reader.layer.op === 'conv' && usesWinograd(plan, reader.layer))
  }
  return new Map(
    steps.flatMap((norm): [number, number][] => {
      const [input = 0, skip] = norm.inputs
      if (!norm.isNorm || skip !== undefined || norm.output === plan.graph.logits) return []
      const readers = steps.filter(({ inputs }) => inputs.includes(norm.output))
      return readers.every((reader) => normsAsItReads(reader, norm)) ? [[norm.output, input]] : []
    }),
  )
}

/**
 * By step: the batch norms whose output is made anew just before its backward half, along a chain of residual adds from
 * the first to the last that is wanted. Where a chain ends the output is kept.
 */
function madeAnew(plan: TrainingPlan, steps: readonly FusedStep[]): FusedStep[][] {
  const absent = absentOutputs(plan, steps)
  const norms = new Map(steps.filter(({ isNorm }) => isNorm).map((step) => [step.output, step]))
  const skips = new Set([...norms.values()].flatMap(({ inputs }) => inputs.slice(1)))
  const made = new Set<FusedStep>()
  const makersOf = (tensor: number): FusedStep[] => {
    const norm = norms.get(tensor)
    if (norm === undefined || made.has(norm) || absent.has(tensor)) return []
    const [, skip] = norm.inputs
    if (skip !== undefined && !skips.has(tensor)) return []
    made.add(norm)
    return [...(skip === undefined ? [] : makersOf(skip)), norm]
  }
  return [...steps]
    .reverse()
    .map((step) => keptBy(step).flatMap(makersOf))
    .reverse()
}

/** Tensors whose activation the step's backward half reads, other than what a batch norm takes in. */
function keptBy({ isNorm, inputs, output, keepsInput, keepsOutput }: FusedStep): number[] {
  return [...(keepsInput && !isNorm ? inputs.slice(0, 1) : []), ...(keepsOutput ? [output] : [])]
}

/** The most bytes of one image that a training step holds at once. */
function peakBytes(plan: TrainingPlan, again: readonly FusedStep[][]): number {
  const { graph } = plan
  const steps = fusedSteps(graph)
  const absent = absentOutputs(plan, steps)
  const anew = new Set(again.flat().map(({ output }) => output))
  const lives = new Map<string, Lifetime>()
  const touch = (kind: 'activation' | 'kept' | 'gradient', tensor: number, at: number): void => {
    const normed = kind === 'gradient' ? undefined : absent.get(tensor)
    if (normed !== undefined) return touch('activation', normed, at)
    const key = `${kind === 'kept' && !anew.has(tensor) ? 'activation' : kind} ${tensor}`
    const bytes = elementCount(graph.shapes[tensor] ?? []) * (tensor === 0 ? floatBytes : elementBytes(plan))
    const life = lives.get(key) ?? { bytes, first: at, last: at }
    lives.set(key, { ...life, first: Math.min(life.first, at), last: Math.max(life.last, at) })
  }
  steps.forEach((step, index) => {
    const { inputs, output, isNorm } = step
    const back = 2 * steps.length - index
    for (const input of inputs) {
      touch('activation', input, index)
      if (input !== 0) touch('gradient', input, back)
    }
    touch('activation', output, index)
    touch('gradient', output, back)
    for (const tensor of keptBy(step)) touch('kept', tensor, back)
    if (isNorm) touch('activation', inputs[0] ?? 0, back)
    for (const { inputs: from, output: made } of again[index] ?? []) {
      from.forEach((tensor, at) => touch(at === 0 ? 'activation' : 'kept', tensor, back))
      touch('kept', made, back)
    }
  })
  touch('activation', graph.logits, steps.length)
  touch('gradient', graph.logits, steps.length)
  const held = Array.from({ length: 2 * steps.length + 1 }, (_, at) =>
    [...lives.values()].reduce((sum, { bytes, first, last }) => sum + (first <= at && at <= last ? bytes : 0), 0),
  )
  return Math.max(...held)
}

interface FusedStep {
  /** Its first. */
  layer: Layer
  isNorm: boolean
  hasRelu: boolean
  /** Tensors; the first is what the step's first layer reads. */
  inputs: number[]
  output: number
  /** Whether the backward pass reads them again. */
  keepsInput: boolean
  keepsOutput: boolean
}

/** The steps of the engine's plan: a batch norm takes in the residual add and the ReLU behind it. */
function fusedSteps({ layers }: ModelGraph): FusedStep[] {
  const readers = new Map<number, Layer[]>()
  for (const layer of layers) {
    for (const input of inputsOf(layer)) readers.set(input, [...(readers.get(input) ?? []), layer])
  }
  const soleReader = (tensor: number, op: Layer['op']): Layer | undefined => {
    const [reader, ...others] = readers.get(tensor) ?? []
    return reader?.op === op && others.length === 0 ? reader : undefined
  }
  const taken = new Set<Layer>()
  /** Placed where its last layer stands, when every input is ready. */
  const placed = new Map<Layer, FusedStep>()
  for (const layer of layers) {
    if (taken.has(layer)) continue
    const step: FusedStep = {
      layer,
      hasRelu: false,
      isNorm: layer.op === 'batchNorm',
      inputs: [...inputsOf(layer)],
      output: layer.output,
      keepsInput: layer.op === 'conv' || layer.op === 'linear' || layer.op === 'batchNorm',
      keepsOutput: layer.op === 'relu',
    }
    let last = layer
    const absorb = (next: Layer): void => {
      taken.add(next)
      step.output = next.output
      last = next
    }
    if (layer.op === 'batchNorm') {
      const add = soleReader(step.output, 'add')
      if (add !== undefined && !taken.has(add)) {
        step.inputs.push(...inputsOf(add).filter((input) => input !== layer.output))
        absorb(add)
      }
    }
    if (layer.op === 'batchNorm' || layer.op === 'add') {
      const relu = soleReader(step.output, 'relu')
      if (relu !== undefined) {
        absorb(relu)
        step.hasRelu = true
        // Without a residual the input tells what the ReLU let through.
        step.keepsOutput = step.inputs.length > 1
      }
    }
    placed.set(last, step)
  }
  return layers.flatMap((layer) => placed.get(layer) ?? [])
}
