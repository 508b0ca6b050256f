// What clients send of a run's recipe; fields left out get the run spec's own defaults.
import { Field, Float, InputType, Int } from 'type-graphql'
import type { OptimizerKind, ScheduleKind } from '../../shared/recipe.ts'
import { OptimizerKindEnum, ScheduleKindEnum } from './recipe.type.ts'

@InputType('OptimizerInput')
export class OptimizerInput {
  @Field(() => OptimizerKindEnum, { defaultValue: 'SGD' })
  kind!: OptimizerKind

  @Field(() => Float, { nullable: true, description: 'SGD only. Default: 0.9.' })
  momentum?: number | null

  @Field(() => Boolean, { nullable: true, description: 'SGD only, with momentum. Default: false.' })
  nesterov?: boolean | null

  @Field(() => Float, { nullable: true, description: 'Adam and AdamW only. Default: 0.9.' })
  beta1?: number | null

  @Field(() => Float, { nullable: true, description: 'Adam and AdamW only. Default: 0.999.' })
  beta2?: number | null

  @Field(() => Float, { nullable: true, description: 'Adam and AdamW only. Default: 1e-8.' })
  epsilon?: number | null

  @Field(() => Float, {
    nullable: true,
    description: 'Added to the gradient (SGD, Adam; default: 0) or taken off the weights (AdamW; default: 0.01).',
  })
  weightDecay?: number | null

  @Field(() => Boolean, {
    nullable: true,
    description: 'False: no weight decay for batch-norm scales and shifts and for biases. Default: true.',
  })
  decayVectors?: boolean | null
}

@InputType('ScheduleInput', { description: "The learning rate of each step; the run's learning rate is its largest." })
export class ScheduleInput {
  @Field(() => ScheduleKindEnum, { defaultValue: 'CONSTANT' })
  kind!: ScheduleKind

  @Field(() => Int, {
    nullable: true,
    description: 'The first so many steps rise linearly. Not for ONE_CYCLE, which has its own rise. Default: 0.',
  })
  warmUpSteps?: number | null

  @Field(() => Int, {
    nullable: true,
    description: 'STEP only, needed there: times `factor` after every so many epochs.',
  })
  stepEpochs?: number | null

  @Field(() => Float, { nullable: true, description: 'STEP only. Default: 0.1.' })
  factor?: number | null

  @Field(() => Float, { nullable: true, description: 'COSINE only: what the end of the run approaches. Default: 0.' })
  minimum?: number | null

  @Field(() => Float, {
    nullable: true,
    description: 'ONE_CYCLE only: share of the learning rate at the first step. Default: 0.04.',
  })
  startFactor?: number | null

  @Field(() => Float, {
    nullable: true,
    description: 'ONE_CYCLE only: share of the learning rate at the last step. Default: 4e-6.',
  })
  endFactor?: number | null

  @Field(() => Float, { nullable: true, description: 'ONE_CYCLE only: share of the steps that rise. Default: 0.3.' })
  peakShare?: number | null
}

@InputType('RandomCropInput', { description: "Pads with black and cuts the image's size out at a random place." })
export class RandomCropInput {
  @Field(() => Int, { nullable: true, description: 'Pixels on each side. Default: 4.' })
  padding?: number | null
}

@InputType('RandomResizedCropInput', { description: "Cuts a random part and scales it to the image's size." })
export class RandomResizedCropInput {
  @Field(() => Float, { nullable: true, description: 'Least share of the area. Default: 0.08.' })
  minScale?: number | null

  @Field(() => Float, { nullable: true, description: 'Largest share of the area. Default: 1.' })
  maxScale?: number | null

  @Field(() => Float, { nullable: true, description: 'Least width / height. Default: 3/4.' })
  minRatio?: number | null

  @Field(() => Float, { nullable: true, description: 'Largest width / height. Default: 4/3.' })
  maxRatio?: number | null
}

@InputType('CutoutInput', { description: 'Sets a square at a random place to the mean.' })
export class CutoutInput {
  @Field(() => Int, { description: 'Pixels on each side.' })
  size!: number
}

@InputType('AugmentationInput', { description: 'Random changes of training images; one crop at most.' })
export class AugmentationInput {
  @Field(() => RandomCropInput, { nullable: true })
  randomCrop?: RandomCropInput | null

  @Field(() => RandomResizedCropInput, { nullable: true })
  randomResizedCrop?: RandomResizedCropInput | null

  @Field(() => Boolean, { nullable: true, description: 'Default: false.' })
  horizontalFlip?: boolean | null

  @Field(() => CutoutInput, { nullable: true })
  cutout?: CutoutInput | null
}

@InputType('ImageSizeInput')
export class ImageSizeInput {
  @Field(() => Int)
  height!: number

  @Field(() => Int)
  width!: number
}
