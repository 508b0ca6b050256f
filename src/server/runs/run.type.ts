// A run as GraphQL shows it. Fields that other rooms answer (devices, metrics, checkpoints) are added by their resolvers.
import { Field, Float, ID, Int, ObjectType, registerEnumType } from 'type-graphql'
import { type Architecture, type EngineChoice, engineChoices, nonFinitePolicies } from '../../shared/run-spec.ts'
import type { CorruptImagePolicy } from '../../shared/augmentation.ts'
import type { Precision } from '../../shared/recipe.ts'
import { type PauseReason, pauseReasons } from '../../shared/events.ts'
import { type RunAction, runActions, type RunState, runStates } from '../../shared/run-state.ts'
import type { RunPlan } from '../../shared/run-plan.ts'
import { LoadReport } from '../checkpoints/load-report.type.ts'
import { countedConnectionType } from '../connection.type.ts'
import { enumOf } from '../enum.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'
import { Node } from '../node.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'
import { CheckpointPolicy, Initialise } from './initialise.type.ts'
import { ReplicaStall, Retry } from './run-course.type.ts'
import { Augmentation, CorruptImagePolicyEnum, ImageSize, Optimizer, PrecisionEnum, Schedule } from './recipe.type.ts'

export const RunStateEnum = enumOf(runStates)
registerEnumType(RunStateEnum, { name: 'RunState' })
export const RunActionEnum = enumOf(runActions)
registerEnumType(RunActionEnum, { name: 'RunAction', description: 'What a user may ask of a run.' })
export const PauseReasonEnum = enumOf(pauseReasons)
registerEnumType(PauseReasonEnum, { name: 'PauseReason' })
export const EngineChoiceEnum = enumOf(engineChoices)
registerEnumType(EngineChoiceEnum, { name: 'EngineChoice' })
export const NonFinitePolicyEnum = enumOf(nonFinitePolicies)
registerEnumType(NonFinitePolicyEnum, { name: 'NonFinitePolicy' })

@ObjectType('RunFailure')
export class RunFailure {
  @Field(() => String)
  code!: string

  @Field(() => String)
  message!: string

  @Field(() => String)
  fix!: string

  @Field(() => Int, { nullable: true })
  step!: number | null

  @Field(() => Boolean)
  nonFinite!: boolean
}

@ObjectType('RunProgress')
export class RunProgress {
  @Field(() => Int)
  epoch!: number

  @Field(() => Int)
  epochs!: number

  @Field(() => Int)
  step!: number

  @Field(() => Int, { nullable: true, description: 'Of all epochs; null before the trainer has opened the dataset.' })
  steps!: number | null

  @Field(() => Float, { nullable: true })
  imagesPerSecond!: number | null

  @Field(() => Float, { nullable: true })
  loss!: number | null
}

@ObjectType('Run', { implements: Node })
export class Run extends Node {
  __typename!: 'Run'
  /** The run's key: its directory's name and its id in the database. */
  key!: string
  /** Of the checkpoint that it was to start from, for the field `initialisedFrom`. */
  initialKey!: string | null
  /** As it is kept, for the field `plan`. */
  keptPlan!: RunPlan | null
  /** Of the run that it was forked from, for the field `forkedFrom`. */
  originKey!: string | null

  @Field(() => ID)
  override id!: string

  @Field(() => String, { nullable: true })
  name!: string | null

  @Field(() => RunStateEnum)
  state!: RunState

  @Field(() => DateTimeScalar, { description: 'When the state was last another one.' })
  stateSince!: Date

  @Field(() => [RunActionEnum], { description: 'What may be asked of it as it is now; nothing else is accepted.' })
  allowedActions!: readonly RunAction[]

  @Field(() => Int, {
    description:
      'Another one whenever something has happened that a decision about the run may rest on. Give it as `expectedVersion`.',
  })
  version!: number

  @Field(() => PauseReasonEnum, { nullable: true, description: 'Who has it pausing or paused.' })
  pauseReason!: PauseReason | null

  @Field(() => Int, { description: 'The highest is served first.' })
  priority!: number

  @Field(() => Retry)
  retry!: Retry

  @Field(() => Int, { description: 'Attempts since a user last asked for it; `retry.maxAttempts` bounds them.' })
  tries!: number

  @Field(() => DateTimeScalar, { nullable: true, description: 'It is tried again, and not before.' })
  notBefore!: Date | null

  @Field(() => ReplicaStall, { nullable: true, description: 'A replica that does not move; null: all do.' })
  stall!: ReplicaStall | null

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'It has devices that are kept for a run before it, to which it gives them back from then on.',
  })
  backfilledUntil!: Date | null

  @Field(() => ID, { nullable: true, description: 'Of the run that it was forked from, which may be gone.' })
  forkedFromId!: string | null

  @Field(() => ArchitectureEnum)
  architecture!: Architecture

  @Field(() => String)
  dataset!: string

  @Field(() => Int)
  epochs!: number

  @Field(() => Int)
  globalBatch!: number

  @Field(() => Int)
  shards!: number

  @Field(() => [String])
  deviceNames!: string[]

  @Field(() => EngineChoiceEnum)
  engineChoice!: EngineChoice

  @Field(() => String, {
    nullable: true,
    description: 'Engine that runs it, such as `native`; null before it started.',
  })
  engine!: string | null

  @Field(() => String, { nullable: true })
  engineDetail!: string | null

  @Field(() => Optimizer)
  optimizer!: Optimizer

  @Field(() => Float)
  learningRate!: number

  @Field(() => Schedule)
  schedule!: Schedule

  @Field(() => PrecisionEnum)
  precision!: Precision

  @Field(() => Int)
  accumulationSteps!: number

  @Field(() => Boolean)
  syncBatchNorm!: boolean

  @Field(() => Float, { nullable: true, description: 'Null: no limit.' })
  clipNorm!: number | null

  @Field(() => Float)
  labelSmoothing!: number

  @Field(() => Augmentation, { nullable: true })
  augmentation!: Augmentation | null

  @Field(() => ImageSize, { nullable: true, description: "Null: the dataset's own." })
  imageSize!: ImageSize | null

  @Field(() => CorruptImagePolicyEnum)
  onCorruptImage!: CorruptImagePolicy

  @Field(() => BigIntScalar)
  seed!: bigint

  @Field(() => BigIntScalar, { nullable: true })
  parameters!: bigint | null

  @Field(() => RunProgress)
  progress!: RunProgress

  @Field(() => RunFailure, { nullable: true })
  failure!: RunFailure | null

  @Field(() => Int)
  attempt!: number

  @Field(() => DateTimeScalar)
  createdAt!: Date

  @Field(() => DateTimeScalar, { nullable: true })
  startedAt!: Date | null

  @Field(() => DateTimeScalar, { nullable: true })
  finishedAt!: Date | null

  @Field(() => String, { description: 'The run directory on the server.' })
  directory!: string

  @Field(() => Initialise, { nullable: true, description: 'Null: it began with random weights.' })
  initialise!: Initialise | null

  @Field(() => CheckpointPolicy)
  checkpointPolicy!: CheckpointPolicy

  @Field(() => LoadReport, {
    nullable: true,
    description: 'What was taken from the checkpoint it was initialised from; null before it started, and without one.',
  })
  loadReport!: LoadReport | null

  @Field(() => String, { nullable: true, description: 'Cursor of its newest event; null before the first.' })
  lastCursor!: string | null
}

export const RunConnection = countedConnectionType<Run>('Run', () => Run)
