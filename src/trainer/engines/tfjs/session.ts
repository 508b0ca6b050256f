// A session on TensorFlow.js: the shards in turn on one backend, added in the fixed tree, then one update.
import { setImmediate as eventLoopTurn } from 'node:timers/promises'
import type { Tensor, Tensor4D } from '@tensorflow/tfjs'
import { TrainqlError } from '../../../shared/errors.ts'
import type { Batch, Session, SessionSpec } from '../../engine.ts'
import { inputsOf } from '../../models/graph.ts'
import { optimizerSlots, parameterEntries, stateEntries } from '../../models/parameters.ts'
import { createReplicaRows, createReplicaTeller } from '../../replica-progress.ts'
import {
  checkBatch,
  checkEvaluationCount,
  checkImages,
  checkOptimizerState,
  checkState,
  imageSize,
  weightDecayOf,
} from '../session-spec.ts'
import { forwardLayer, type Forward, type Mode, type Operations } from './layers.ts'
import { toEngineLayout } from './layout.ts'
import { crossEntropy } from './loss.ts'
import { sessionMemoryBytes } from './memory.ts'
import { clipScaleOf, updated } from './optimizer.ts'
import { score } from './score.ts'
import { toStateDict, toTensors } from './transfer.ts'
import { createTreeSum } from './tree-sum.ts'

/** What one shard, or a subtree of shards, gives: sums over its shards. */
interface Partial {
  loss: number
  /** By parameter name. */
  gradients: Map<string, Tensor>
  /** Batch mean and unbiased variance by name of the running value. */
  statistics: Map<string, Tensor>
}

interface Rates {
  learningRate: number
  /** What clipping multiplies every gradient by. */
  clipScale: number
}

/** `spec` has passed `checkSessionSpec`. */
export function createTfjsSession(operations: Operations, spec: SessionSpec): Session {
  const { tf } = operations
  const { graph, globalBatch, shards, optimizer, labelSmoothing = 0, clipNorm = null } = spec
  const shardBatch = globalBatch / shards
  const replicas = spec.devices.length
  const progress = createReplicaTeller(spec.progress ?? createReplicaRows(replicas), replicas)
  const entries = stateEntries(graph)
  const parameterNames = parameterEntries(graph).map(({ name }) => name)
  const statisticNames = entries.filter(({ role }) => role.startsWith('running')).map(({ name }) => name)
  const slotNames = optimizerSlots(optimizer)
  const shapes = new Map(entries.map(({ name, shape }) => [name, shape]))

  // State, and optimiser slots by `${slot}.${parameter name}`, in the engine's layout.
  const state = new Map(entries.map(({ name, shape }) => [name, zeros(shape)]))
  const slots = new Map(
    slotNames.flatMap((slot) => parameterNames.map((name) => [`${slot}.${name}`, zeros(shapeOfParameter(name))])),
  )
  let updates = 0

  let closing: Promise<void> | undefined
  let running: Promise<unknown> = Promise.resolve()

  /** Runs one call at a time, so that `close` never frees what a call computes with. */
  function exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (closing !== undefined) return Promise.reject(closedSession())
    const result = running.then(work).finally(() => progress.turnTo(null))
    running = result.catch(() => undefined)
    return result
  }

  function zeros(shape: readonly number[]): Tensor {
    return tf.tidy(() => toEngineLayout(tf.zeros([...shape])))
  }

  function shapeOfParameter(name: string): readonly number[] {
    return found(shapes, name)
  }

  /** Images (n, C, H, W) from the host as (n, H, W, C). */
  function upload(images: Float32Array): Tensor4D {
    const { channels, height, width } = graph.input
    const shape: [number, number, number, number] = [images.length / imageSize(graph), channels, height, width]
    return tf.tensor4d(images, shape).transpose<Tensor4D>([0, 2, 3, 1])
  }

  /** Runs the graph; call inside `tf.tidy`. `forwards` are in the order of the layers. */
  function forward(images: Tensor4D, mode: Mode): { logits: Tensor; forwards: Forward[] } {
    const values: Tensor[] = [images]
    const forwards = graph.layers.map((layer) => {
      const inputs = inputsOf(layer).map((id) => found(values, id))
      const result = forwardLayer(operations, layer, { inputs, read: (name) => found(state, name), mode })
      values[layer.output] = result.output
      progress.tick()
      return result
    })
    return { logits: found(values, graph.logits), forwards }
  }

  /** Loss, gradients and batch statistics of one shard. */
  function computeShard({ images, labels }: Batch): Partial {
    let loss = 0
    const tensors = tf.tidy(() => {
      const { logits, forwards } = forward(upload(images), 'training')
      const result = crossEntropy(logits.dataSync<'float32'>(), labels, {
        scale: 1 / globalBatch,
        smoothing: labelSmoothing,
      })
      loss = result.loss

      const named: Record<string, Tensor> = {}
      const gradientOf: Tensor[] = []
      gradientOf[graph.logits] = tf.tensor(result.gradient, logits.shape)
      for (const [index, layer] of [...graph.layers.entries()].reverse()) {
        const { backward, statistics } = found(forwards, index)
        const gradients = backward(found(gradientOf, layer.output))
        inputsOf(layer).forEach((input, position) => {
          const gradient = gradients.inputs[position]
          if (gradient === undefined) return
          // A tensor that feeds two layers (a residual) gets the sum.
          const earlier = gradientOf[input]
          gradientOf[input] = earlier === undefined ? gradient : earlier.add(gradient)
        })
        for (const [name, tensor] of [...gradients.parameters, ...statistics]) named[name] = tensor
        progress.tick()
      }
      return named
    })
    const pick = (names: readonly string[]) => new Map(names.map((name) => [name, found(tensors, name)]))
    return { loss, gradients: pick(parameterNames), statistics: pick(statisticNames) }
  }

  /** All shards in turn, added in the tree. The caller disposes of the tensors. */
  async function computeBatch(batch: Batch): Promise<Partial> {
    checkBatch(graph, batch, globalBatch)
    const sum = createTreeSum<Partial>((left, right) => ({
      loss: left.loss + right.loss,
      gradients: added(left.gradients, right.gradients),
      statistics: added(left.statistics, right.statistics),
    }))
    for (let shard = 0; shard < shards; shard += 1) {
      progress.turnTo(Math.floor((shard * replicas) / shards))
      sum.push(computeShard(part(batch, shard * shardBatch, shardBatch)))
      // This engine computes on the JS thread: let signals and heartbeats have their turn.
      await eventLoopTurn()
    }
    return sum.total()
  }

  function added(left: Map<string, Tensor>, right: Map<string, Tensor>): Map<string, Tensor> {
    return new Map(
      [...left].map(([name, tensor]) => {
        const other = found(right, name)
        const sum = tensor.add(other)
        tf.dispose([tensor, other])
        return [name, sum]
      }),
    )
  }

  function part({ images, labels }: Batch, first: number, count: number): Batch {
    const size = imageSize(graph)
    return {
      images: images.subarray(first * size, (first + count) * size),
      labels: labels.subarray(first, first + count),
    }
  }

  /** Puts new tensors in place of those of the same name. */
  function replace(target: Map<string, Tensor>, tensors: Iterable<[string, Tensor]>): void {
    for (const [name, tensor] of tensors) {
      target.get(name)?.dispose()
      target.set(name, tensor)
    }
  }

  function updateParameter(name: string, gradient: Tensor, { learningRate, clipScale }: Rates): void {
    const slotKeys = slotNames.map((slot) => `${slot}.${name}`)
    const weightDecay = weightDecayOf(optimizer, shapeOfParameter(name))
    const after = tf.tidy(() => {
      const before = { parameter: found(state, name), slots: slotKeys.map((key) => found(slots, key)) }
      const change = { gradient: gradient.mul(clipScale), step: updates, learningRate, weightDecay }
      return { ...updated(optimizer, before, change) }
    })
    replace(state, [[name, after.parameter]])
    replace(
      slots,
      slotKeys.map((key, index) => [key, found(after.slots, index)]),
    )
  }

  /** running = (1 - momentum) running + momentum (mean over shards of the batch statistics). */
  function updateRunningStatistics(statistics: Map<string, Tensor>): void {
    for (const layer of graph.layers) {
      if (layer.op !== 'batchNorm') continue
      const { momentum } = layer
      for (const name of [`${layer.name}.running_mean`, `${layer.name}.running_var`]) {
        const next = tf.tidy(() =>
          found(state, name)
            .mul(1 - momentum)
            .add(found(statistics, name).mul(momentum / shards)),
        )
        replace(state, [[name, next]])
      }
      const tracked = `${layer.name}.num_batches_tracked`
      replace(state, [[tracked, tf.tidy(() => found(state, tracked).add(1))]])
    }
  }

  /** Logits of any number of images, (n, classes), with running statistics, at most a shard at a time. */
  async function infer(images: Float32Array, count: number): Promise<Float32Array> {
    const logits = new Float32Array(count * graph.classes)
    const size = imageSize(graph)
    for (let first = 0; first < count; first += shardBatch) {
      const chunk = images.subarray(first * size, Math.min(count, first + shardBatch) * size)
      progress.turnTo((first / shardBatch) % replicas)
      const result = tf.tidy(() => forward(upload(chunk), 'inference').logits)
      logits.set(await result.data<'float32'>(), first * graph.classes)
      result.dispose()
    }
    return logits
  }

  return {
    // It computes on this thread: a call made ahead would only keep the loop from seeing the end of the one before.
    queues: false,
    memoryBytes: sessionMemoryBytes(spec),

    step: (batch, learningRate) =>
      exclusively(async () => {
        const { loss, gradients, statistics } = await computeBatch(batch)
        updates += 1
        const clipScale = clipNorm === null ? 1 : await clipScaleOf(gradients, clipNorm)
        for (const [name, gradient] of gradients) updateParameter(name, gradient, { learningRate, clipScale })
        updateRunningStatistics(statistics)
        tf.dispose([...gradients.values(), ...statistics.values()])
        progress.endStep()
        return { loss }
      }),

    gradients: (batch) =>
      exclusively(async () => {
        const { loss, gradients, statistics } = await computeBatch(batch)
        const dict = await toStateDict(tf, gradients)
        tf.dispose([...gradients.values(), ...statistics.values()])
        return { loss, gradients: dict }
      }),

    evaluate: (batch) =>
      exclusively(async () => {
        const images = batch.labels.length
        checkEvaluationCount(images, globalBatch)
        checkBatch(graph, batch, images)
        const logits = await infer(batch.images, images)
        const { loss } = crossEntropy(logits, batch.labels, { scale: 1, smoothing: 0 })
        return { images, lossSum: loss, ...score(logits, batch.labels) }
      }),

    predict: (images) =>
      exclusively(async () => {
        const count = images.length / imageSize(graph)
        checkEvaluationCount(count, globalBatch)
        checkImages(graph, images, count)
        return infer(images, count)
      }),

    readState: () => exclusively(() => toStateDict(tf, state)),

    writeState: (dict) =>
      exclusively(async () => {
        checkState(graph, dict)
        replace(state, toTensors(tf, dict))
        return Promise.resolve()
      }),

    readOptimizerState: () => exclusively(async () => ({ step: updates, tensors: await toStateDict(tf, slots) })),

    writeOptimizerState: ({ step, tensors }) =>
      exclusively(async () => {
        checkOptimizerState(graph, optimizer, { step, tensors })
        replace(slots, toTensors(tf, tensors))
        updates = step
        return Promise.resolve()
      }),

    close: () => {
      closing ??= running.then(() => {
        tf.dispose([...state.values(), ...slots.values()])
      })
      return closing
    },
  }
}

/** What a table must hold by construction. */
function found<T>(table: ReadonlyMap<string, T> | readonly T[] | Record<string, T>, key: string | number): T {
  const value =
    table instanceof Map ? (table.get(String(key)) as T | undefined) : (table as Record<string | number, T>)[key]
  if (value === undefined) throw new RangeError(`nothing at "${key}"`)
  return value
}

function closedSession(): TrainqlError {
  return new TrainqlError({ code: 'CONFLICT', message: 'The session is closed.', fix: 'Open another session.' })
}
