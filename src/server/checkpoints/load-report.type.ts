// A load report as GraphQL shows it: what came of putting a checkpoint's tensors into a model.
import { Field, Int, ObjectType, registerEnumType } from 'type-graphql'
import {
  checkpointFormats,
  checkpointLayouts,
  type CheckpointFormat,
  type CheckpointLayout,
} from '../../shared/load-report.ts'
import type { Architecture } from '../../shared/run-spec.ts'
import { enumOf } from '../enum.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'

export const CheckpointFormatEnum = enumOf(checkpointFormats)
registerEnumType(CheckpointFormatEnum, {
  name: 'CheckpointFormat',
  description: 'How the bytes of a checkpoint are laid out.',
  valuesConfig: { TRAINQL: { description: 'A checkpoint folder of ours.' } },
})

export const CheckpointLayoutEnum = enumOf(checkpointLayouts)
registerEnumType(CheckpointLayoutEnum, {
  name: 'CheckpointLayout',
  description: 'What a checkpoint file holds: tensors by name, a training file around them, or a pickled model object.',
})

@ObjectType('RecognisedModel', { description: 'Which ResNet tensors are, told by their names and shapes alone.' })
export class RecognisedModel {
  @Field(() => ArchitectureEnum)
  architecture!: Architecture

  @Field(() => Int, { nullable: true, description: 'Null where the last layer is not among the tensors.' })
  classes!: number | null

  @Field(() => Int, { nullable: true, description: 'Null where the first layer is not among the tensors.' })
  inputChannels!: number | null
}

@ObjectType('ShapeMismatch')
export class ShapeMismatch {
  @Field(() => String)
  name!: string

  @Field(() => [Int], { description: "The model's." })
  expected!: number[]

  @Field(() => [Int], { description: "The file's." })
  found!: number[]
}

@ObjectType('LoadReport', { description: "What came of putting a checkpoint's tensors into a model." })
export class LoadReport {
  @Field(() => CheckpointFormatEnum)
  sourceFormat!: CheckpointFormat

  @Field(() => CheckpointLayoutEnum)
  layout!: CheckpointLayout

  @Field(() => String, { description: 'Keys that lead to the tensors within the file, such as "state_dict".' })
  foundAt!: string

  @Field(() => RecognisedModel, { nullable: true })
  recognised!: RecognisedModel | null

  @Field(() => String, { description: 'What the tensors are, in words.' })
  description!: string

  @Field(() => [String], { description: 'Tensors of the model that the file filled.' })
  matched!: string[]

  @Field(() => [String], { description: 'Tensors of the model that the file does not have.' })
  missing!: string[]

  @Field(() => [String], { description: 'Tensors of the file that the model does not have, by their names there.' })
  unexpected!: string[]

  @Field(() => [ShapeMismatch])
  shapeMismatch!: ShapeMismatch[]

  @Field(() => [String], { description: 'Left to fresh weights, as asked.' })
  reinitialised!: string[]

  @Field(() => [String], { description: 'Made to fit, as asked: a stem summed over its input channels.' })
  adapted!: string[]

  @Field(() => [String], { description: 'Batch-norm counters that the file lacks, taken as 0.' })
  assumedZero!: string[]

  @Field(() => String, { description: 'Taken off the front of every name that had it; "" where nothing was.' })
  strippedPrefix!: string

  @Field(() => [String], { description: 'Devices baked into the file, such as "cuda:3"; they were ignored.' })
  deviceTags!: string[]
}
