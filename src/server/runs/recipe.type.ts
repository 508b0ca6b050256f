// The recipe of a run as GraphQL shows it: optimiser, schedule, what happens to images.
import { Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql'
import { corruptImagePolicies } from '../../shared/augmentation.ts'
import {
  type OptimizerKind,
  optimizerKinds,
  precisions,
  type ScheduleKind,
  scheduleKinds,
} from '../../shared/recipe.ts'
import { enumOf } from '../enum.ts'

export const OptimizerKindEnum = enumOf(optimizerKinds)
registerEnumType(OptimizerKindEnum, { name: 'OptimizerKind' })
export const ScheduleKindEnum = enumOf(scheduleKinds)
registerEnumType(ScheduleKindEnum, { name: 'ScheduleKind' })
export const PrecisionEnum = enumOf(precisions)
registerEnumType(PrecisionEnum, {
  name: 'Precision',
  description: 'What the engine computes in. BF16 keeps weights, sums and updates in fp32.',
})
export const CorruptImagePolicyEnum = enumOf(corruptImagePolicies)
registerEnumType(CorruptImagePolicyEnum, {
  name: 'CorruptImagePolicy',
  description: 'At an image that cannot be decoded: fail, or leave it out and count it.',
})

@ObjectType('Optimizer', { description: 'Settings that its kind does not have are null.' })
export class Optimizer {
  @Field(() => OptimizerKindEnum)
  kind!: OptimizerKind

  @Field(() => Float, { nullable: true })
  momentum!: number | null

  @Field(() => Boolean, { nullable: true })
  nesterov!: boolean | null

  @Field(() => Float, { nullable: true })
  beta1!: number | null

  @Field(() => Float, { nullable: true })
  beta2!: number | null

  @Field(() => Float, { nullable: true })
  epsilon!: number | null

  @Field(() => Float)
  weightDecay!: number

  @Field(() => Boolean, { description: 'False: no weight decay for batch-norm scales and shifts and for biases.' })
  decayVectors!: boolean
}

@ObjectType('Schedule', { description: 'Of the learning rate. Settings that its kind does not have are null.' })
export class Schedule {
  @Field(() => ScheduleKindEnum)
  kind!: ScheduleKind

  @Field(() => Int, { nullable: true })
  warmUpSteps!: number | null

  @Field(() => Int, { nullable: true })
  stepEpochs!: number | null

  @Field(() => Float, { nullable: true })
  factor!: number | null

  @Field(() => Float, { nullable: true })
  minimum!: number | null

  @Field(() => Float, { nullable: true })
  startFactor!: number | null

  @Field(() => Float, { nullable: true })
  endFactor!: number | null

  @Field(() => Float, { nullable: true })
  peakShare!: number | null
}

@ObjectType('RandomCrop')
export class RandomCrop {
  @Field(() => Int)
  padding!: number
}

@ObjectType('RandomResizedCrop')
export class RandomResizedCrop {
  @Field(() => Float)
  minScale!: number

  @Field(() => Float)
  maxScale!: number

  @Field(() => Float)
  minRatio!: number

  @Field(() => Float)
  maxRatio!: number
}

@ObjectType('Cutout')
export class Cutout {
  @Field(() => Int)
  size!: number
}

@ObjectType('Augmentation', { description: 'Random changes of training images.' })
export class Augmentation {
  @Field(() => RandomCrop, { nullable: true })
  randomCrop!: RandomCrop | null

  @Field(() => RandomResizedCrop, { nullable: true })
  randomResizedCrop!: RandomResizedCrop | null

  @Field(() => Boolean)
  horizontalFlip!: boolean

  @Field(() => Cutout, { nullable: true })
  cutout!: Cutout | null
}

@ObjectType('ImageSize')
export class ImageSize {
  @Field(() => Int)
  height!: number

  @Field(() => Int)
  width!: number
}
