// An epoch's validation by class as GraphQL shows it.
import { Field, Float, Int, ObjectType } from 'type-graphql'

@ObjectType('ClassAccuracy', { description: 'How well one class was recognised.' })
export class ClassAccuracy {
  @Field(() => Int, { description: 'Its label.' })
  class!: number

  @Field(() => String)
  name!: string

  @Field(() => Int, { description: 'Validation images of this class.' })
  images!: number

  @Field(() => Int)
  correct!: number

  @Field(() => Float, { nullable: true, description: '0 to 1; null where the class has no images.' })
  accuracy!: number | null
}

@ObjectType('Confusion', { description: 'Images of one class that were taken for another.' })
export class Confusion {
  @Field(() => Int)
  trueClass!: number

  @Field(() => String)
  trueName!: string

  @Field(() => Int)
  predictedClass!: number

  @Field(() => String)
  predictedName!: string

  @Field(() => Int)
  images!: number
}

@ObjectType('ConfusionMatrix')
export class ConfusionMatrix {
  record!: { classImages: number[]; classCorrect: number[]; confusion: number[] }
  classNames!: readonly string[]

  @Field(() => Boolean, {
    description:
      'Whether every image is in a cell. Of more than 100 classes only the 10,000 most frequent confusions are kept, and an image whose logits are not finite is in none.',
  })
  complete!: boolean
}
