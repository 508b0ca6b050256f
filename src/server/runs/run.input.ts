// What clients send to the runs room, and what they get back.
import { createUnionType, Field, Float, InputType, Int, ObjectType } from 'type-graphql'
import type { CorruptImagePolicy } from '../../shared/augmentation.ts'
import type { Precision } from '../../shared/recipe.ts'
import type { Architecture, DeviceKind, EngineChoice, NonFinitePolicy } from '../../shared/run-spec.ts'
import { DeviceKindEnum } from '../devices/device.type.ts'
import { ConflictFailure, InvalidInputFailure, LoadRefusedFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'
import { keyOf } from '../node.type.ts'
import { BigIntScalar } from '../scalars.ts'
import { CheckpointPolicyInput, InitialiseInput } from './initialise.input.ts'
import { AugmentationInput, ImageSizeInput, OptimizerInput, ScheduleInput } from './recipe.input.ts'
import { CorruptImagePolicyEnum, PrecisionEnum } from './recipe.type.ts'
import { EngineChoiceEnum, NonFinitePolicyEnum, Run } from './run.type.ts'

@InputType('DevicesInput', {
  description: 'Name devices, or ask for a count of a kind, or for the fewest and the most of it; never two of them.',
})
export class DevicesInput {
  @Field(() => [String], { nullable: true })
  names?: string[] | null

  @Field(() => Int, { nullable: true })
  count?: number | null

  @Field(() => Int, { nullable: true, description: 'The fewest that the run starts with. Default: 1.' })
  min?: number | null

  @Field(() => Int, { nullable: true, description: 'The most that it takes where they are free. Default: min.' })
  max?: number | null

  @Field(() => DeviceKindEnum, { nullable: true, description: 'Of the devices counted. Default: CPU.' })
  kind?: DeviceKind | null
}

@InputType('RetryInput', {
  description: 'What is done about an attempt that ended by what may pass: a killed trainer, a full disk, silence.',
})
export class RetryInput {
  @Field(() => Int, {
    nullable: true,
    defaultValue: 1,
    description: 'Trainers started before somebody has to ask again, the first included.',
  })
  maxAttempts?: number | null

  @Field(() => Float, {
    nullable: true,
    defaultValue: 10,
    description: 'Before the first new attempt; twice as long before each next one.',
  })
  backoffSeconds?: number | null

  @Field(() => Float, {
    nullable: true,
    defaultValue: 600,
    description: 'A trainer that is silent for so long is given up.',
  })
  unreachableSeconds?: number | null

  @Field(() => Float, {
    nullable: true,
    description: 'A replica that does not move for so long ends the attempt. Default: it is only told of.',
  })
  stalledSeconds?: number | null
}

@InputType('CreateRunInput')
export class CreateRunInput {
  @Field(() => String, { nullable: true })
  name?: string | null

  @Field(() => ArchitectureEnum, { nullable: true, defaultValue: 'RESNET18' })
  architecture?: Architecture | null

  @Field(() => String)
  dataset!: string

  @Field(() => Int, { nullable: true, defaultValue: 1 })
  epochs?: number | null

  @Field(() => Int, { nullable: true, defaultValue: 256 })
  globalBatch?: number | null

  @Field(() => Int, { nullable: true, defaultValue: 4 })
  shards?: number | null

  @Field(() => DevicesInput, { nullable: true, description: 'Default: one CPU device.' })
  devices?: DevicesInput | null

  @Field(() => EngineChoiceEnum, { nullable: true, defaultValue: 'AUTO' })
  engine?: EngineChoice | null

  @Field(() => OptimizerInput, { nullable: true, description: 'Default: SGD with momentum 0.9.' })
  optimizer?: OptimizerInput | null

  @Field(() => Float, {
    nullable: true,
    description: 'Default: 0.1 x globalBatch / 256 for SGD, 0.001 for Adam and AdamW.',
  })
  learningRate?: number | null

  @Field(() => ScheduleInput, {
    nullable: true,
    description:
      'Of the learning rate. Default: constant; for SGD without a learningRate behind a warm-up of a tenth of the run, of five epochs at most.',
  })
  schedule?: ScheduleInput | null

  @Field(() => PrecisionEnum, { nullable: true, defaultValue: 'FP32' })
  precision?: Precision | null

  @Field(() => Int, {
    nullable: true,
    defaultValue: 1,
    description: 'A power of two: each device takes its part of the global batch in so many turns, in less memory.',
  })
  accumulationSteps?: number | null

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description: 'Batch-norm statistics over the global batch rather than over a shard.',
  })
  syncBatchNorm?: boolean | null

  @Field(() => Float, { nullable: true, description: 'Largest norm of the whole gradient. Default: no limit.' })
  clipNorm?: number | null

  @Field(() => Float, {
    nullable: true,
    defaultValue: 0,
    description: 'Share of the training target that is spread evenly over all classes.',
  })
  labelSmoothing?: number | null

  @Field(() => AugmentationInput, { nullable: true, description: 'Of training images. Default: none.' })
  augmentation?: AugmentationInput | null

  @Field(() => ImageSizeInput, { nullable: true, description: "Default: the dataset's own." })
  imageSize?: ImageSizeInput | null

  @Field(() => CorruptImagePolicyEnum, { nullable: true, defaultValue: 'FAIL' })
  onCorruptImage?: CorruptImagePolicy | null

  @Field(() => BigIntScalar, { nullable: true, description: 'Default: 0.' })
  seed?: bigint | null

  @Field(() => Int, { nullable: true, description: 'Train on the first so many images only. Default: all.' })
  trainImages?: number | null

  @Field(() => Int, { nullable: true, description: 'Validate on the first so many images only. Default: all.' })
  validationImages?: number | null

  @Field(() => NonFinitePolicyEnum, { nullable: true, defaultValue: 'STOP' })
  onNonFinite?: NonFinitePolicy | null

  @Field(() => InitialiseInput, { nullable: true, description: 'Default: random weights, drawn from the seed.' })
  initialise?: InitialiseInput | null

  @Field(() => CheckpointPolicyInput, { nullable: true, description: 'Default: one an epoch, and all are kept.' })
  checkpoints?: CheckpointPolicyInput | null

  @Field(() => Int, {
    nullable: true,
    defaultValue: 0,
    description: 'From -1000 to 1000; the highest is served first.',
  })
  priority?: number | null

  @Field(() => RetryInput, { nullable: true, description: 'Default: one attempt.' })
  retry?: RetryInput | null
}

/** Key of the checkpoint that a run names to begin with. */
export function initialKeyOf({ initialise }: CreateRunInput): string | null {
  const checkpoint = initialise?.checkpoint ?? null
  return checkpoint === null ? null : keyOf('Checkpoint', checkpoint)
}

@ObjectType('CreateRunSuccess')
export class CreateRunSuccess {
  __typename!: 'CreateRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type CreateRunResult =
  CreateRunSuccess | LoadRefusedFailure | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const CreateRunResultUnion = createUnionType({
  name: 'CreateRunResult',
  types: () => [CreateRunSuccess, LoadRefusedFailure, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: CreateRunResult) => value.__typename,
})
