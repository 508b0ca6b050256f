// What is expected of a run, as GraphQL shows it.
import { createUnionType, Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql'
import { type PlanBasis, planBases } from '../../shared/run-plan.ts'
import { enumOf } from '../enum.ts'
import { ConflictFailure, InvalidInputFailure, LoadRefusedFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'

export const PlanBasisEnum = enumOf(planBases)
registerEnumType(PlanBasisEnum, {
  name: 'PlanBasis',
  description: 'What an estimate rests on.',
  valuesConfig: {
    PAST_RUNS: { description: 'Runs of the same model on images of the same size.' },
    PROFILE: { description: 'The FLOPs of the model, at the rate of runs of other models on such devices.' },
  },
})

@ObjectType('Expectation', { description: 'What is expected, and between what it is likely to lie.' })
export class Expectation {
  @Field(() => Float)
  expected!: number

  @Field(() => Float)
  low!: number

  @Field(() => Float)
  high!: number
}

@ObjectType('Graded', { description: 'What was expected beside what happened.' })
export class Graded {
  @Field(() => Float, { nullable: true, description: 'Null where nobody could tell.' })
  expected!: number | null

  @Field(() => Float, { nullable: true, description: 'Null as long as it is not known.' })
  actual!: number | null

  @Field(() => Float, {
    nullable: true,
    description: 'Of what was expected: above 0 where it came to more. Null where one of the two is unknown.',
  })
  errorPercent!: number | null
}

@ObjectType('RunGrade', { description: 'What was expected of a run, held against what happened.' })
export class RunGrade {
  @Field(() => Graded, { description: 'The median of its latest epochs.' })
  imagesPerSecond!: Graded

  @Field(() => Graded, { description: 'Known once it has succeeded; not of a run that took several attempts.' })
  durationSeconds!: Graded

  @Field(() => Graded, { description: 'From its creation until it first got devices.' })
  waitSeconds!: Graded

  @Field(() => [String], { description: 'Devices that it got first.' })
  deviceNames!: string[]
}

const sizeless = 'Null where the size of the images is known only once they are opened'

@ObjectType('RunPlan', { description: 'What a run computes, and what is expected of it before it is queued.' })
export class RunPlan {
  /** Key of the run that it is kept with, for the field `grade`; null: of none. */
  runKey!: string | null

  @Field(() => BigIntScalar)
  parameters!: bigint

  @Field(() => BigIntScalar, {
    nullable: true,
    description: `FLOPs of one image in a training step, forward and backward. ${sizeless}.`,
  })
  flopsPerImage!: bigint | null

  @Field(() => BigIntScalar, {
    nullable: true,
    description: `Bytes that the native engine takes for each device. ${sizeless}, and for the engine TFJS.`,
  })
  memoryBytesPerDevice!: bigint | null

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Bytes for all devices together, with weights and optimizer state, which they share.',
  })
  memoryBytes!: bigint | null

  @Field(() => Int)
  stepsPerEpoch!: number

  @Field(() => Int, { description: 'Of all epochs.' })
  steps!: number

  @Field(() => Expectation, {
    nullable: true,
    description: 'Of training, on the devices that it was to get. Null where nothing is known to tell by.',
  })
  imagesPerSecond!: Expectation | null

  @Field(() => Expectation, {
    nullable: true,
    description: 'From its first step to its end, validation and checkpoints included.',
  })
  durationSeconds!: Expectation | null

  @Field(() => PlanBasisEnum, { nullable: true })
  basis!: PlanBasis | null

  @Field(() => String, { description: 'The basis in words, or why nothing can be told.' })
  basedOn!: string

  @Field(() => [String], { description: 'Devices that it was to get; empty where nobody could tell.' })
  deviceNames!: string[]

  @Field(() => Float, { nullable: true, description: 'Until it was to get them; null where nobody could tell.' })
  waitSeconds!: number | null
}

@ObjectType('PlanRunSuccess')
export class PlanRunSuccess {
  __typename!: 'PlanRunSuccess'

  @Field(() => RunPlan)
  plan!: RunPlan

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it would get its devices if it were queued now.' })
  expectedStart!: Date | null

  @Field(() => DateTimeScalar, { nullable: true })
  expectedEnd!: Date | null

  @Field(() => Int, {
    nullable: true,
    description: 'In the queue, from 1. Null where it would start at once, and where it cannot start as things are.',
  })
  queuePosition!: number | null

  @Field(() => String, { nullable: true, description: 'In words; null where it would start at once.' })
  waitingFor!: string | null
}

export type PlanRunResult =
  PlanRunSuccess | LoadRefusedFailure | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const PlanRunResultUnion = createUnionType({
  name: 'PlanRunResult',
  types: () => [PlanRunSuccess, LoadRefusedFailure, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: PlanRunResult) => value.__typename,
})
