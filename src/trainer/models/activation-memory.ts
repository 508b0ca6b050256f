// The activations of one shard, and their gradients, at the peak of a training step of the native engine: what is kept for
// the backward pass, made anew in it, or nowhere in memory. As native/src/plan/plan_memory.cc decides.
import { inputsOf, type Layer, type ModelGraph } from './graph.ts'
import { elementCount } from './parameters.ts'
import { elementBytes, floatBytes, usesWinograd, type TrainingPlan } from './training-plan.ts'

/** When a buffer is first and last needed, counted in steps of the plan: forward up, then backward down. */
interface Lifetime {
  bytes: number
  first: number
  last: number
}

/** Bytes of a shard up to which all activations are kept that the backward pass reads, as in native/src/plan/plan.h. */
const mostKeptBytes = 144 * 1024 * 1024

/**
 * The most bytes of one shard that a training step holds at once, gradients and activations together. Maps that several devices
 * keep for weight gradients at the end of the backward pass are left out: a few MiB, 16 at most.
 */
export function shardBytes(plan: TrainingPlan): number {
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
