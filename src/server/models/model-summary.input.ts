// What a client asks a model summary of.
import { Field, InputType, Int } from 'type-graphql'
import type { OptimizerKind, Precision } from '../../shared/recipe.ts'
import type { Architecture } from '../../shared/run-spec.ts'
import { OptimizerKindEnum, PrecisionEnum } from '../runs/recipe.type.ts'
import { ArchitectureEnum } from './architecture.type.ts'

@InputType('ModelSummaryInput')
export class ModelSummaryInput {
  @Field(() => ArchitectureEnum, { defaultValue: 'RESNET18' })
  architecture!: Architecture

  @Field(() => Int, { defaultValue: 3 })
  channels!: number

  @Field(() => Int, { defaultValue: 224 })
  height!: number

  @Field(() => Int, { defaultValue: 224 })
  width!: number

  @Field(() => Int, { defaultValue: 1000 })
  classes!: number

  @Field(() => Int, { defaultValue: 256 })
  globalBatch!: number

  @Field(() => Int, { defaultValue: 4, description: 'Of a step: those of the run times its accumulationSteps.' })
  shards!: number

  @Field(() => Int, { defaultValue: 1, description: 'How many: 1, 2, 4 … shards.' })
  devices!: number

  @Field(() => OptimizerKindEnum, { defaultValue: 'SGD' })
  optimizer!: OptimizerKind

  @Field(() => PrecisionEnum, { defaultValue: 'FP32' })
  precision!: Precision

  @Field(() => Boolean, { defaultValue: false, description: 'Needs memory for all shards at once.' })
  syncBatchNorm!: boolean

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Whether gradients are clipped (`clipNorm`), and so all kept until their norm is known.',
  })
  clipped!: boolean
}
