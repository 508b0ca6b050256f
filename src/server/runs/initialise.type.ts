// What a run begins with and which checkpoints it keeps, as GraphQL shows it.
import { Field, Int, ObjectType } from 'type-graphql'
import type { CheckpointMetric, FullDiskPolicy } from '../../shared/checkpoint-policy.ts'
import type { StemAdaptation } from '../../shared/run-spec.ts'
import { CheckpointMetricEnum, FullDiskPolicyEnum, StemAdaptationEnum } from './initialise.input.ts'

@ObjectType('Initialise', { description: "How a checkpoint's weights become a run's first ones." })
export class Initialise {
  @Field(() => Boolean, { description: "Whether the optimiser's state is taken too." })
  optimizer!: boolean

  @Field(() => [String], { description: 'Layers that get fresh weights.' })
  reinitialise!: string[]

  @Field(() => StemAdaptationEnum)
  stem!: StemAdaptation
}

@ObjectType('KeepBest')
export class KeepBest {
  @Field(() => CheckpointMetricEnum)
  metric!: CheckpointMetric

  @Field(() => Int)
  count!: number
}

@ObjectType('CheckpointPolicy', { description: 'Which checkpoints a run writes and keeps.' })
export class CheckpointPolicy {
  @Field(() => Int, { nullable: true, description: 'Null: at the end of each epoch only.' })
  everySteps!: number | null

  @Field(() => Int, { nullable: true })
  keepLast!: number | null

  @Field(() => KeepBest, { nullable: true })
  keepBest!: KeepBest | null

  @Field(() => Int, { nullable: true })
  keepEvery!: number | null

  @Field(() => FullDiskPolicyEnum)
  onDiskFull!: FullDiskPolicy
}
