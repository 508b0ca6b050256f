// What clients send of a run that is there, and what comes back.
import { createUnionType, Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql'
import type { StemAdaptation } from '../../shared/run-spec.ts'
import { ConflictFailure, InvalidInputFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'
import { BigIntScalar } from '../scalars.ts'
import { CheckpointPolicyInput, StemAdaptationEnum } from './initialise.input.ts'
import { AugmentationInput, ImageSizeInput, OptimizerInput, ScheduleInput } from './recipe.input.ts'
import { CorruptImagePolicyEnum, PrecisionEnum } from './recipe.type.ts'
import type { RunChanges } from './run-fork.ts'
import { DevicesInput, RetryInput } from './run.input.ts'
import { EngineChoiceEnum, NonFinitePolicyEnum, Run } from './run.type.ts'

@InputType('ForkChangesInput', {
  description:
    "Fields of createRun. Left out: as the origin has it. Null: the default of createRun. A learning rate belongs to its optimizer: one of another kind comes with that kind's default.",
})
export class ForkChangesInput {}

/** As in `CreateRunInput`, and none with a default. */
const changeable: Record<keyof RunChanges, () => object> = {
  architecture: () => ArchitectureEnum,
  dataset: () => String,
  epochs: () => Int,
  globalBatch: () => Int,
  shards: () => Int,
  devices: () => DevicesInput,
  engine: () => EngineChoiceEnum,
  optimizer: () => OptimizerInput,
  learningRate: () => Float,
  schedule: () => ScheduleInput,
  precision: () => PrecisionEnum,
  accumulationSteps: () => Int,
  syncBatchNorm: () => Boolean,
  clipNorm: () => Float,
  labelSmoothing: () => Float,
  augmentation: () => AugmentationInput,
  imageSize: () => ImageSizeInput,
  onCorruptImage: () => CorruptImagePolicyEnum,
  seed: () => BigIntScalar,
  trainImages: () => Int,
  validationImages: () => Int,
  onNonFinite: () => NonFinitePolicyEnum,
  checkpoints: () => CheckpointPolicyInput,
  priority: () => Int,
  retry: () => RetryInput,
}
for (const [name, type] of Object.entries(changeable)) {
  Field(type, { nullable: true })(ForkChangesInput.prototype, name)
}

@InputType('ForkRunInput')
export class ForkRunInput {
  @Field(() => ID, {
    nullable: true,
    description: "One of the run's own. Default: its latest; where it has none, its initial weights.",
  })
  checkpoint?: string | null

  @Field(() => Boolean, { nullable: true, defaultValue: false, description: 'Begin where the run began.' })
  initialWeights?: boolean | null

  @Field(() => String, { nullable: true })
  name?: string | null

  @Field(() => ForkChangesInput, { nullable: true, description: 'Default: none.' })
  changes?: RunChanges | null

  @Field(() => [String], { nullable: true, description: 'Layers that get fresh weights, such as `fc`.' })
  reinitialise?: string[] | null

  @Field(() => StemAdaptationEnum, { nullable: true, description: 'Default: AS_IS.' })
  stem?: StemAdaptation | null
}

@ObjectType('ForkRunSuccess')
export class ForkRunSuccess {
  __typename!: 'ForkRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type ForkRunResult = ForkRunSuccess | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const ForkRunResultUnion = createUnionType({
  name: 'ForkRunResult',
  types: () => [ForkRunSuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: ForkRunResult) => value.__typename,
})

@ObjectType('PauseRunSuccess')
export class PauseRunSuccess {
  __typename!: 'PauseRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type PauseRunResult = PauseRunSuccess | NotFoundFailure | ConflictFailure

export const PauseRunResultUnion = createUnionType({
  name: 'PauseRunResult',
  types: () => [PauseRunSuccess, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: PauseRunResult) => value.__typename,
})

@ObjectType('ResumeRunSuccess')
export class ResumeRunSuccess {
  __typename!: 'ResumeRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type ResumeRunResult = ResumeRunSuccess | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const ResumeRunResultUnion = createUnionType({
  name: 'ResumeRunResult',
  types: () => [ResumeRunSuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: ResumeRunResult) => value.__typename,
})

@ObjectType('CancelRunSuccess')
export class CancelRunSuccess {
  __typename!: 'CancelRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type CancelRunResult = CancelRunSuccess | NotFoundFailure | ConflictFailure

export const CancelRunResultUnion = createUnionType({
  name: 'CancelRunResult',
  types: () => [CancelRunSuccess, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: CancelRunResult) => value.__typename,
})

@ObjectType('SetRunPrioritySuccess')
export class SetRunPrioritySuccess {
  __typename!: 'SetRunPrioritySuccess'

  @Field(() => Run)
  run!: Run
}

export type SetRunPriorityResult = SetRunPrioritySuccess | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const SetRunPriorityResultUnion = createUnionType({
  name: 'SetRunPriorityResult',
  types: () => [SetRunPrioritySuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: SetRunPriorityResult) => value.__typename,
})
