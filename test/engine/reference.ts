// Ground truth for the engines: the training arithmetic in float64 with naive loops, layer by layer as a textbook
// writes it. Independent of every engine; itself checked by finite differences and against PyTorch.
import type { Batch, EvaluationResult, SessionSpec, StateDict } from '../../src/trainer/engine.ts'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'
import {
  at,
  backward,
  crossEntropy,
  get,
  rankings,
  run,
  type LossTarget,
  type Model,
  type Values,
} from './reference-layers.ts'
import { clipped, update } from './reference-optimizer.ts'

export type { Values } from './reference-layers.ts'

export interface ReferenceGradients {
  loss: number
  /** Summed over shards, by parameter name, canonical layout. */
  gradients: Values
  /** Mean over shards of batch mean and unbiased variance, by name of the running value. */
  statistics: Values
}

export interface Reference {
  /** State dict in float64. */
  state: Values
  /** By `${slot}.${parameter}`. */
  slots: Values
  gradients(batch: Batch): ReferenceGradients
  step(batch: Batch, learningRate: number): number
  /** Logits (n, classes) with running statistics. */
  predict(images: ArrayLike<number>): Float64Array
  evaluate(batch: Batch): EvaluationResult
}

export type ReferenceSpec = Pick<
  SessionSpec,
  'graph' | 'shards' | 'optimizer' | 'syncBatchNorm' | 'labelSmoothing' | 'clipNorm'
>

export function createReference(spec: ReferenceSpec, initial: StateDict): Reference {
  const { graph, optimizer, syncBatchNorm = false, labelSmoothing = 0, clipNorm = null } = spec
  // Shards matter to batch norm alone: over the global batch, it is the network on the whole batch.
  const shards = syncBatchNorm ? 1 : spec.shards
  const state: Values = new Map([...initial].map(([name, { data }]) => [name, Float64Array.from(data)]))
  const slots: Values = new Map()
  let updates = 0

  function gradients({ images, labels }: Batch): ReferenceGradients {
    const shardBatch = labels.length / shards
    const pixels = images.length / shards
    const parts = Array.from({ length: shards }, (_, shard) => {
      const shardLabels = labels.subarray(shard * shardBatch, (shard + 1) * shardBatch)
      const shardImages = Float64Array.from(images.subarray(shard * pixels, (shard + 1) * pixels))
      const target = { scale: 1 / labels.length, smoothing: labelSmoothing }
      return shardGradients({ graph, state }, { images: shardImages, labels: shardLabels }, target)
    })
    const sum = (pick: (part: ReferenceGradients) => Values, scale: number): Values => {
      const total: Values = new Map()
      for (const part of parts)
        for (const [name, values] of pick(part)) {
          const into = total.get(name) ?? new Float64Array(values.length)
          values.forEach((value, i) => (into[i] = at(into, i) + scale * value))
          total.set(name, into)
        }
      return total
    }
    return {
      loss: parts.reduce((total, { loss }) => total + loss, 0),
      gradients: sum((part) => part.gradients, 1),
      statistics: sum((part) => part.statistics, 1 / shards),
    }
  }

  function step(batch: Batch, learningRate: number): number {
    const result = gradients(batch)
    updates += 1
    const used = clipNorm === null ? result.gradients : clipped(result.gradients, clipNorm)
    for (const { name, shape } of parameterEntries(graph))
      update(optimizer, { name, shape, state, slots }, { gradient: get(used, name), updates, learningRate })
    for (const layer of graph.layers) {
      if (layer.op !== 'batchNorm') continue
      for (const name of [`${layer.name}.running_mean`, `${layer.name}.running_var`]) {
        const batchValues = get(result.statistics, name)
        const running = get(state, name)
        running.forEach((value, c) => (running[c] = (1 - layer.momentum) * value + layer.momentum * at(batchValues, c)))
      }
      const tracked = get(state, `${layer.name}.num_batches_tracked`)
      tracked[0] = at(tracked, 0) + 1
    }
    return result.loss
  }

  function predict(images: ArrayLike<number>): Float64Array {
    const { channels, height, width } = graph.input
    const count = images.length / (channels * height * width)
    const values = run({ graph, state }, Float64Array.from(images), count, 'inference').values
    return values[graph.logits] ?? new Float64Array()
  }

  return {
    state,
    slots,
    gradients,
    step,
    predict,
    evaluate: ({ images, labels }) => {
      const logits = predict(images)
      const ranks = rankings(logits, graph.classes)
      const within = (count: number) =>
        ranks.filter((ranked, i) => ranked.slice(0, count).includes(at(labels, i))).length
      return {
        images: labels.length,
        lossSum: crossEntropy(logits, labels, { scale: 1, smoothing: 0 }).loss,
        correct: within(1),
        correct5: within(5),
        predicted: Int32Array.from(ranks, ([first]) => first ?? -1),
      }
    },
  }
}

function shardGradients(
  model: Model,
  { images, labels }: { images: Float64Array; labels: Int32Array },
  target: LossTarget,
): ReferenceGradients {
  const { graph } = model
  const { values, statistics, batchStatistics } = run(model, images, labels.length, 'training')
  const { loss, gradient } = crossEntropy(values[graph.logits] ?? new Float64Array(), labels, target)

  const gradients: Values = new Map()
  const gradientOf = values.map((value) => new Float64Array(value.length))
  gradientOf[graph.logits] = gradient
  for (const layer of [...graph.layers].reverse()) {
    const dy = gradientOf[layer.output] ?? new Float64Array()
    const inputs = layer.op === 'add' ? layer.inputs : [layer.input]
    const xs = inputs.map((id) => values[id] ?? new Float64Array())
    const result = backward(model, layer, { xs, dy, batch: labels.length, batchStatistics })
    for (const [name, values] of result.parameters) gradients.set(name, values)
    inputs.forEach((id, position) => {
      const into = gradientOf[id] ?? new Float64Array()
      result.inputs[position]?.forEach((value, i) => (into[i] = at(into, i) + value))
    })
  }
  return { loss, gradients, statistics }
}
