// The measurements of a run's steps as GraphQL shows them.
import { Field, Float, Int, ObjectType } from 'type-graphql'
import { DateTimeScalar } from '../scalars.ts'

@ObjectType('StepPoint', { description: 'What one step measured.' })
export class StepPoint {
  @Field(() => Int)
  attempt!: number

  @Field(() => Int)
  epoch!: number

  @Field(() => Int, { description: 'Of the run, from 1.' })
  step!: number

  @Field(() => Float, { nullable: true, description: 'Null where it was not finite.' })
  loss!: number | null

  @Field(() => Boolean)
  nonFinite!: boolean

  @Field(() => Float)
  learningRate!: number

  @Field(() => Float)
  imagesPerSecond!: number

  @Field(() => DateTimeScalar)
  at!: Date

  @Field(() => Boolean, { description: 'A later attempt has trained this step anew.' })
  superseded!: boolean
}

@ObjectType('StepMetrics', {
  description:
    'Steps of a run in the order they were taken. Where there are more than asked for, consecutive ones share a bucket, and of each bucket these are kept as they were: the smallest and the largest loss, the last step, and the first loss that is not finite.',
})
export class StepMetrics {
  @Field(() => Int, { description: 'How many there are before thinning.' })
  steps!: number

  @Field(() => Boolean)
  thinned!: boolean

  @Field(() => [StepPoint])
  points!: StepPoint[]
}
