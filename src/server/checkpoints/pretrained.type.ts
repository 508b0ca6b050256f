// Published weights as GraphQL lists them.
import { Field, Float, Int, ObjectType } from 'type-graphql'
import type { PretrainedName } from '../../shared/pretrained.ts'
import type { Architecture } from '../../shared/run-spec.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'
import { PretrainedNameEnum } from './checkpoint.input.ts'

@ObjectType('PretrainedWeights', {
  description: "torchvision's: of 224 x 224 images in three channels and ImageNet's 1000 classes.",
})
export class PretrainedWeights {
  @Field(() => PretrainedNameEnum)
  name!: PretrainedName

  @Field(() => ArchitectureEnum)
  architecture!: Architecture

  @Field(() => Int)
  classes!: number

  @Field(() => String, { description: 'Name of the file that is looked for.' })
  file!: string

  @Field(() => Float, { description: 'About, as published.' })
  megabytes!: number

  @Field(() => Float, { description: "Top-1 on ImageNet's validation images, as published." })
  accuracy!: number
}
