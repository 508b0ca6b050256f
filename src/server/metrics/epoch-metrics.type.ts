// The measurements of one epoch as GraphQL shows them.
import { Field, Float, ID, Int, ObjectType } from 'type-graphql'
import { Node } from '../node.type.ts'

@ObjectType('EpochMetrics', { implements: Node })
export class EpochMetrics extends Node {
  __typename!: 'EpochMetrics'

  @Field(() => ID)
  override id!: string

  @Field(() => ID)
  runId!: string

  @Field(() => Int)
  attempt!: number

  @Field(() => Int)
  epoch!: number

  @Field(() => Int)
  step!: number

  @Field(() => Float, { nullable: true })
  trainLoss!: number | null

  @Field(() => Float, { nullable: true })
  validationLoss!: number | null

  @Field(() => Float, { nullable: true, description: 'Top-1 on the validation images, 0 to 1.' })
  accuracy!: number | null

  @Field(() => Boolean)
  nonFinite!: boolean

  @Field(() => Float)
  imagesPerSecond!: number

  @Field(() => Float)
  learningRate!: number

  @Field(() => Float)
  userSeconds!: number

  @Field(() => Float)
  systemSeconds!: number

  @Field(() => Float)
  wallSeconds!: number
}
