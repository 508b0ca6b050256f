// A model summary as its GraphQL type shows it: counts that may exceed 32 bits as 64-bit numbers.
import type { LayerSummary as LayerRecord } from '../../trainer/models/summary.ts'
import type { ModelSummaryRecord } from './model-summary.service.ts'
import type { LayerSummary, MemoryEstimate, ModelSummary } from './model-summary.type.ts'

export function modelSummaryPayload(record: ModelSummaryRecord): ModelSummary {
  const { architecture, input, classes, layers, memory } = record
  return {
    __typename: 'ModelSummary',
    architecture,
    ...input,
    classes,
    layers: layers.map(layerPayload),
    parameters: BigInt(record.parameters),
    multiplyAdds: BigInt(record.multiplyAdds),
    forwardFlops: BigInt(record.forwardFlops),
    trainingFlops: BigInt(record.trainingFlops),
    stepFlops: record.stepFlops,
    activations: BigInt(record.activations),
    memory: memoryPayload(memory),
  }
}

function layerPayload({ name, op, outputShape, ...counts }: LayerRecord): LayerSummary {
  return {
    name,
    kind: op,
    outputShape: [...outputShape],
    parameters: BigInt(counts.parameters),
    forwardFlops: BigInt(counts.forwardFlops),
    trainingFlops: BigInt(counts.trainingFlops),
    activations: BigInt(counts.activations),
  }
}

function memoryPayload(memory: ModelSummaryRecord['memory']): MemoryEstimate {
  return {
    weightBytes: BigInt(memory.weightBytes),
    weightCopyBytes: BigInt(memory.weightCopyBytes),
    optimizerBytes: BigInt(memory.optimizerBytes),
    gradientBytes: BigInt(memory.gradientBytes),
    activationBytes: BigInt(memory.activationBytes),
    scratchBytes: BigInt(memory.scratchBytes),
    replicaBytes: BigInt(memory.replicaBytes),
    totalBytes: BigInt(memory.totalBytes),
  }
}
