// Ground truth for the engines: the training arithmetic in float64 with naive loops, layer by layer as a textbook
// writes it. Independent of every engine; itself checked by finite differences and against PyTorch.
import type { OptimizerSpec } from '../../src/shared/run-spec.ts'
import type { Batch, StateDict } from '../../src/trainer/engine.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'
import { at, backward, crossEntropy, get, run, type Model, type Values } from './reference-layers.ts'

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
  evaluate(batch: Batch): { images: number; lossSum: number; correct: number }
}

interface ReferenceSpec {
  graph: ModelGraph
  shards: number
  optimizer: OptimizerSpec
}

export function createReference({ graph, shards, optimizer }: ReferenceSpec, initial: StateDict): Reference {
  const state: Values = new Map([...initial].map(([name, { data }]) => [name, Float64Array.from(data)]))
  const slots: Values = new Map()
  let updates = 0

  function gradients({ images, labels }: Batch): ReferenceGradients {
    const shardBatch = labels.length / shards
    const pixels = images.length / shards
    const parts = Array.from({ length: shards }, (_, shard) => {
      const shardLabels = labels.subarray(shard * shardBatch, (shard + 1) * shardBatch)
      const shardImages = Float64Array.from(images.subarray(shard * pixels, (shard + 1) * pixels))
      return shardGradients({ graph, state }, { images: shardImages, labels: shardLabels, scale: 1 / labels.length })
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
    for (const { name } of parameterEntries(graph))
      update(optimizer, { name, state, slots }, { gradient: get(result.gradients, name), updates, learningRate })
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
      const { loss, correct } = crossEntropy(predict(images), labels, 1)
      return { images: labels.length, lossSum: loss, correct }
    },
  }
}

function update(
  optimizer: OptimizerSpec,
  { name, state, slots }: { name: string; state: Values; slots: Values },
  { gradient, updates, learningRate }: { gradient: Float64Array; updates: number; learningRate: number },
): void {
  const weights = get(state, name)
  const slot = (kind: string): Float64Array => {
    const values = slots.get(`${kind}.${name}`) ?? new Float64Array(weights.length)
    slots.set(`${kind}.${name}`, values)
    return values
  }
  weights.forEach((weight, i) => {
    const g = at(gradient, i) + optimizer.weightDecay * weight
    if (optimizer.kind === 'SGD') {
      const buffer = slot('momentum_buffer')
      buffer[i] = updates === 1 ? g : optimizer.momentum * at(buffer, i) + g
      weights[i] = weight - learningRate * buffer[i]
      return
    }
    const { beta1, beta2, epsilon } = optimizer
    const mean = slot('exp_avg')
    const square = slot('exp_avg_sq')
    mean[i] = beta1 * at(mean, i) + (1 - beta1) * g
    square[i] = beta2 * at(square, i) + (1 - beta2) * g * g
    const meanHat = mean[i] / (1 - beta1 ** updates)
    const squareHat = square[i] / (1 - beta2 ** updates)
    weights[i] = weight - (learningRate * meanHat) / (Math.sqrt(squareHat) + epsilon)
  })
}

function shardGradients(
  model: Model,
  { images, labels, scale }: { images: Float64Array; labels: Int32Array; scale: number },
): ReferenceGradients {
  const { graph } = model
  const { values, statistics, batchStatistics } = run(model, images, labels.length, 'training')
  const { loss, gradient } = crossEntropy(values[graph.logits] ?? new Float64Array(), labels, scale)

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
