// What every engine checks before it computes: is the plan possible, and do state and batch fit the model?
import { TrainqlError } from '../../shared/errors.ts'
import { checkDeviceCount, checkShards, type OptimizerSpec } from '../../shared/run-spec.ts'
import type { Batch, OptimizerState, SessionSpec, StateDict } from '../engine.ts'
import type { ModelGraph } from '../models/graph.ts'
import { elementCount, optimizerSlots, parameterEntries, stateEntries, type StateEntry } from '../models/parameters.ts'

/**
 * Refuses plans that cannot be computed: shards that are no power of two or do not divide the batch, a device
 * count that does not divide the shards, a batch norm that would see one value per channel (its variance is 0/0).
 * @throws TrainqlError `INVALID_INPUT`
 */
export function checkSessionSpec({ graph, globalBatch, shards, devices, syncBatchNorm = false }: SessionSpec): void {
  checkShards(globalBatch, shards)
  checkDeviceCount(devices.length, shards)
  const images = syncBatchNorm ? globalBatch : globalBatch / shards
  for (const layer of graph.layers) {
    if (layer.op !== 'batchNorm') continue
    const [, height, width] = shapeOf(graph, layer.input)
    if (images * height * width > 1) continue
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: syncBatchNorm ? 'globalBatch' : 'shards',
      message:
        `Expected batch norm "${layer.name}" to see at least 2 values per channel; ` +
        `${syncBatchNorm ? 'a global batch' : 'a shard'} of 1 image with a ${height}x${width} map has 1.`,
      fix: syncBatchNorm
        ? 'Use a global batch of at least 2.'
        : `Use a global batch of at least ${2 * shards}, fewer shards, or syncBatchNorm.`,
    })
  }
}

/** The weight decay of one parameter: vectors are batch-norm scales and shifts, and biases. */
export function weightDecayOf({ weightDecay, decayVectors }: OptimizerSpec, shape: readonly number[]): number {
  return decayVectors || shape.length > 1 ? weightDecay : 0
}

/** @throws TrainqlError `CHECKPOINT_INVALID` unless `state` holds exactly the model's tensors. */
export function checkState(graph: ModelGraph, state: StateDict): void {
  checkTensors(stateEntries(graph), state, `the state of ${graph.architecture}`)
}

/** @throws TrainqlError `CHECKPOINT_INVALID` unless `state` holds exactly this optimiser's tensors and a step count. */
export function checkOptimizerState(graph: ModelGraph, optimizer: OptimizerSpec, state: OptimizerState): void {
  const entries = optimizerSlots(optimizer).flatMap((slot) =>
    parameterEntries(graph).map((entry) => ({ ...entry, name: `${slot}.${entry.name}` })),
  )
  checkTensors(entries, state.tensors, `the ${optimizer.kind} state of ${graph.architecture}`)
  if (!Number.isInteger(state.step) || state.step < 0)
    throw invalidCheckpoint(`Expected the optimiser's step to be a whole number from 0; got ${state.step}.`)
}

/**
 * Checks `count` images and labels against the model.
 * @throws TrainqlError `INVALID_INPUT` on a wrong number of values or a label that is no class.
 */
export function checkBatch(graph: ModelGraph, { images, labels }: Batch, count: number): void {
  if (labels.length !== count) throw invalidBatch(`${count} labels`, `${labels.length}`)
  checkImages(graph, images, count)
  const index = labels.findIndex((label) => label < 0 || label >= graph.classes)
  if (index !== -1) throw invalidBatch(`labels 0 … ${graph.classes - 1}`, `${labels[index]} at image ${index}`)
}

/** @throws TrainqlError `INVALID_INPUT` unless `images` holds `count` images of the model's input size. */
export function checkImages(graph: ModelGraph, images: Float32Array, count: number): void {
  const expected = count * imageSize(graph)
  if (images.length !== expected) throw invalidBatch(`${expected} pixel values (${count} images)`, `${images.length}`)
}

/**
 * The number of images for evaluation or prediction.
 * @throws TrainqlError `INVALID_INPUT` unless it is 1 … `globalBatch`.
 */
export function checkEvaluationCount(count: number, globalBatch: number): void {
  if (Number.isInteger(count) && count >= 1 && count <= globalBatch) return
  throw invalidBatch(`1 … ${globalBatch} whole images`, `${count}`)
}

/** @throws TrainqlError `INVALID_INPUT` unless it is a whole number from 1. */
export function checkRepetitions(repetitions: number): void {
  if (Number.isInteger(repetitions) && repetitions >= 1) return
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    message: `Expected 1 or more whole steps to time; got ${repetitions}.`,
    fix: 'Pass a whole number of repetitions, such as 16.',
  })
}

/** Values of one image: C x H x W. */
export function imageSize({ input }: ModelGraph): number {
  return input.channels * input.height * input.width
}

/** (C, H, W) of a tensor of the graph. */
export function shapeOf(graph: ModelGraph, tensor: number): readonly [number, number, number] {
  const shape = graph.shapes[tensor]
  if (shape === undefined) throw new RangeError(`the graph has no tensor ${tensor}`)
  return shape
}

function checkTensors(entries: readonly StateEntry[], state: StateDict, what: string): void {
  const expected = new Set(entries.map(({ name }) => name))
  for (const name of state.keys())
    if (!expected.has(name)) throw invalidCheckpoint(`Unexpected tensor "${name}" for ${what}.`)
  for (const { name, shape } of entries) {
    const tensor = state.get(name)
    if (tensor === undefined) throw invalidCheckpoint(`Expected a tensor "${name}" for ${what}; it is missing.`)
    if (tensor.shape.length !== shape.length || tensor.shape.some((size, axis) => size !== shape[axis]))
      throw invalidCheckpoint(`Expected "${name}" of shape (${shape.join(', ')}); got (${tensor.shape.join(', ')}).`)
    if (tensor.data.length !== elementCount(shape))
      throw invalidCheckpoint(`Expected ${elementCount(shape)} values in "${name}"; got ${tensor.data.length}.`)
  }
}

function invalidCheckpoint(message: string): TrainqlError {
  return new TrainqlError({
    code: 'CHECKPOINT_INVALID',
    message,
    fix: 'Load a checkpoint of this very model and optimiser.',
  })
}

function invalidBatch(expected: string, got: string): TrainqlError {
  return new TrainqlError({
    code: 'INVALID_INPUT',
    message: `Expected a batch of ${expected}; got ${got}.`,
    fix: 'Pass images (N, C, H, W) of the size and labels of the classes the model was built for.',
  })
}
