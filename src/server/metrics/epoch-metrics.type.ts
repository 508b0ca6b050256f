// The measurements of one epoch as GraphQL shows them.
import { Field, Float, ID, Int, ObjectType } from 'type-graphql'
import { Node } from '../node.type.ts'

@ObjectType('EpochMetrics', { implements: Node })
export class EpochMetrics extends Node {
  __typename!: 'EpochMetrics'
  /** The key behind its id. */
  key!: string
  /** The run's key. */
  runKey!: string

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

  @Field(() => Float, {
    nullable: true,
    description:
      'Share of the validation images whose class is among the five likeliest, 0 to 1; 1 by definition with five classes or fewer. Null where an earlier version did not measure it.',
  })
  top5Accuracy!: number | null

  @Field(() => Boolean)
  nonFinite!: boolean

  @Field(() => Boolean, {
    description:
      'A later attempt has trained these steps anew: it belongs to a course that was given up. In an event it is as it was when that came.',
  })
  superseded!: boolean

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
