// What clients send to the runs room, and what they get back.
import { createUnionType, Field, Float, InputType, Int, ObjectType } from 'type-graphql'
import type { Architecture, DeviceKind, EngineChoice, NonFinitePolicy, OptimizerKind } from '../../shared/run-spec.ts'
import { DeviceKindEnum } from '../devices/device.type.ts'
import { ConflictFailure, InvalidInputFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { BigIntScalar } from '../scalars.ts'
import { ArchitectureEnum, EngineChoiceEnum, NonFinitePolicyEnum, OptimizerKindEnum, Run } from './run.type.ts'

@InputType('DevicesInput', { description: 'Name devices, or ask for a count of a kind; never both.' })
export class DevicesInput {
  @Field(() => [String], { nullable: true })
  names?: string[] | null

  @Field(() => Int, { nullable: true })
  count?: number | null

  @Field(() => DeviceKindEnum, { nullable: true, description: 'Of the devices counted. Default: CPU.' })
  kind?: DeviceKind | null
}

@InputType('OptimizerInput')
export class OptimizerInput {
  @Field(() => OptimizerKindEnum, { defaultValue: 'SGD' })
  kind!: OptimizerKind

  @Field(() => Float, { nullable: true, description: 'SGD only. Default: 0.9.' })
  momentum?: number | null

  @Field(() => Float, { nullable: true, description: 'Adam only. Default: 0.9.' })
  beta1?: number | null

  @Field(() => Float, { nullable: true, description: 'Adam only. Default: 0.999.' })
  beta2?: number | null

  @Field(() => Float, { nullable: true, description: 'Adam only. Default: 1e-8.' })
  epsilon?: number | null

  @Field(() => Float, { nullable: true, description: 'Default: 0.' })
  weightDecay?: number | null
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

  @Field(() => Float, { nullable: true, description: 'Default: 0.1 for SGD, 0.001 for Adam.' })
  learningRate?: number | null

  @Field(() => BigIntScalar, { nullable: true, description: 'Default: 0.' })
  seed?: bigint | null

  @Field(() => Int, { nullable: true, description: 'Train on the first so many images only. Default: all.' })
  trainImages?: number | null

  @Field(() => Int, { nullable: true, description: 'Validate on the first so many images only. Default: all.' })
  validationImages?: number | null

  @Field(() => NonFinitePolicyEnum, { nullable: true, defaultValue: 'STOP' })
  onNonFinite?: NonFinitePolicy | null
}

@ObjectType('CreateRunSuccess')
export class CreateRunSuccess {
  __typename!: 'CreateRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type CreateRunResult = CreateRunSuccess | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const CreateRunResultUnion = createUnionType({
  name: 'CreateRunResult',
  types: () => [CreateRunSuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: CreateRunResult) => value.__typename,
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
