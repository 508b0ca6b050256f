// What clients send of a run's first weights and of the checkpoints it keeps.
import { Field, ID, InputType, Int, registerEnumType } from 'type-graphql'
import {
  type CheckpointMetric,
  checkpointMetrics,
  type FullDiskPolicy,
  fullDiskPolicies,
} from '../../shared/checkpoint-policy.ts'
import type { PretrainedName } from '../../shared/pretrained.ts'
import { type StemAdaptation, stemAdaptations } from '../../shared/run-spec.ts'
import { PretrainedNameEnum } from '../checkpoints/checkpoint.input.ts'
import { enumOf } from '../enum.ts'

export const StemAdaptationEnum = enumOf(stemAdaptations)
registerEnumType(StemAdaptationEnum, { name: 'StemAdaptation' })
export const CheckpointMetricEnum = enumOf(checkpointMetrics)
registerEnumType(CheckpointMetricEnum, { name: 'CheckpointMetric' })
export const FullDiskPolicyEnum = enumOf(fullDiskPolicies)
registerEnumType(FullDiskPolicyEnum, {
  name: 'FullDiskPolicy',
  description: 'Where a checkpoint does not fit on the disk: fail, or train on without it.',
})

@InputType('InitialiseInput', {
  description: 'The weights before the first step: those of a checkpoint, or published ones.',
})
export class InitialiseInput {
  @Field(() => ID, { nullable: true })
  checkpoint?: string | null

  @Field(() => PretrainedNameEnum, { nullable: true, description: 'Imported first, unless it has been before.' })
  pretrained?: PretrainedName | null

  @Field(() => Boolean, { nullable: true, defaultValue: false, description: "Also take the optimiser's state." })
  optimizer?: boolean | null

  @Field(() => [String], {
    nullable: true,
    description: 'Layers that get fresh weights, such as `conv1` and `fc`. Everything else must fit.',
  })
  reinitialise?: string[] | null

  @Field(() => StemAdaptationEnum, {
    nullable: true,
    defaultValue: 'AS_IS',
    description: 'SUM_CHANNELS: a stem of several channels is summed to the one that the dataset has.',
  })
  stem?: StemAdaptation | null
}

@InputType('KeepBestInput')
export class KeepBestInput {
  @Field(() => CheckpointMetricEnum)
  metric!: CheckpointMetric

  @Field(() => Int, { nullable: true, defaultValue: 1 })
  count?: number | null
}

@InputType('CheckpointPolicyInput', {
  description:
    'A run keeps what any of `keepLast`, `keepBest` and `keepEvery` keeps, its newest and those that are pinned; all where it names none of the three.',
})
export class CheckpointPolicyInput {
  @Field(() => Int, { nullable: true, description: 'A checkpoint also after so many steps. Default: each epoch only.' })
  everySteps?: number | null

  @Field(() => Int, { nullable: true, description: 'So many of the newest.' })
  keepLast?: number | null

  @Field(() => KeepBestInput, { nullable: true, description: 'Those that did best in their validation.' })
  keepBest?: KeepBestInput | null

  @Field(() => Int, { nullable: true, description: 'Those of every so many epochs.' })
  keepEvery?: number | null

  @Field(() => FullDiskPolicyEnum, { nullable: true, defaultValue: 'FAIL' })
  onDiskFull?: FullDiskPolicy | null
}
