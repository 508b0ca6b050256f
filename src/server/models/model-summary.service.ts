// What a model is made of and what training it would take, from its description alone: no run, no data, no engine.
import { z } from 'zod'
import { optimizerKinds, precisions } from '../../shared/recipe.ts'
import { parseWith } from '../../shared/parse-with.ts'
import { architectures, checkDeviceCount, checkShards, type Architecture } from '../../shared/run-spec.ts'
import { estimateMemory, type MemoryEstimate } from '../../trainer/models/memory.ts'
import { resnet } from '../../trainer/models/resnet.ts'
import { summarise, type ModelSummary } from '../../trainer/models/summary.ts'

// Bounds under which every count fits 64 bits.
const side = z.number().int().positive().max(4096)

const requestSchema = z.strictObject({
  architecture: z.enum(architectures),
  channels: z.number().int().positive().max(256),
  height: side,
  width: side,
  classes: z.number().int().positive().max(1_000_000),
  globalBatch: z.number().int().positive().max(65_536),
  shards: z.number().int().positive().max(1024),
  devices: z.number().int().positive(),
  optimizer: z.enum(optimizerKinds),
  precision: z.enum(precisions),
  syncBatchNorm: z.boolean(),
  clipped: z.boolean(),
})
export type ModelSummaryRequest = z.input<typeof requestSchema>

export interface ModelSummaryRecord extends Omit<ModelSummary, 'architecture'> {
  architecture: Architecture
  memory: MemoryEstimate
  /** FLOPs of a whole training step: the global batch, over all devices. Beyond what a number holds exactly. */
  stepFlops: bigint
}

export interface ModelSummaryService {
  /** @throws TrainqlError `INVALID_INPUT` naming the field, as for a run with such settings. */
  summarise(request: ModelSummaryRequest): ModelSummaryRecord
}

export function createModelSummaryService(): ModelSummaryService {
  return {
    summarise(request) {
      const { architecture, channels, height, width, classes, ...plan } = parseWith(
        requestSchema,
        request,
        'model summary input',
      )
      checkShards(plan.globalBatch, plan.shards)
      checkDeviceCount(plan.devices, plan.shards)
      const graph = resnet({ architecture, input: { channels, height, width }, classes })
      const summary = summarise(graph)
      return {
        ...summary,
        architecture,
        stepFlops: BigInt(summary.trainingFlops) * BigInt(plan.globalBatch),
        memory: estimateMemory({ graph, ...plan, optimizer: { kind: plan.optimizer } }),
      }
    },
  }
}
