// What clients ask of a checkpoint's model, and what it says of their images.
import { createUnionType, Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql'
import {
  type AnyFailure,
  ConflictFailure,
  InvalidInputFailure,
  type LoadRefusedFailure,
  NotFoundFailure,
} from '../failures/failure.type.ts'
import { ImageSizeInput } from '../runs/recipe.input.ts'

@InputType('PredictImagesInput')
export class PredictImagesInput {
  @Field(() => ID)
  checkpoint!: string

  @Field(() => [ID], {
    description:
      'Of createCheckpointUpload, once each image (JPEG, PNG or WebP) has been PUT; at most 256. They are forgotten afterwards.',
  })
  uploads!: string[]

  @Field(() => Int, { nullable: true, defaultValue: 5, description: 'Classes to tell of each image.' })
  top?: number | null

  @Field(() => ImageSizeInput, {
    nullable: true,
    description: 'What the model sees of an image. Default: as large as the images it was trained on.',
  })
  imageSize?: ImageSizeInput | null
}

@ObjectType('ClassProbability')
export class ClassProbability {
  @Field(() => Int)
  class!: number

  @Field(() => String, { description: 'The number as text where the checkpoint does not know the name.' })
  name!: string

  @Field(() => Float)
  probability!: number
}

@ObjectType('ImagePrediction')
export class ImagePrediction {
  @Field(() => String, { description: 'Of the file.' })
  name!: string

  @Field(() => [ClassProbability], {
    nullable: true,
    description: 'Likeliest first; null where the image cannot be decoded.',
  })
  classes!: ClassProbability[] | null

  @Field(() => String, { nullable: true, description: 'Why it cannot be decoded.' })
  problem!: string | null
}

@ObjectType('PredictImagesSuccess')
export class PredictImagesSuccess {
  __typename!: 'PredictImagesSuccess'

  @Field(() => [ImagePrediction], { description: 'In the order of the uploads.' })
  images!: ImagePrediction[]
}

export type PredictImagesResult = PredictImagesSuccess | Exclude<AnyFailure, LoadRefusedFailure>
export const PredictImagesResultUnion = createUnionType({
  name: 'PredictImagesResult',
  types: () => [PredictImagesSuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: PredictImagesResult) => value.__typename,
})
