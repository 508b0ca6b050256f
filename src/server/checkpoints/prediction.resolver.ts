// Predictions from checkpoints.
import { Arg, Mutation, Resolver } from 'type-graphql'
import { answer } from '../failures/answer.ts'
import { keyOf } from '../node.type.ts'
import type { PredictionService } from './prediction.service.ts'
import { PredictImagesInput, type PredictImagesResult, PredictImagesResultUnion } from './prediction.type.ts'

@Resolver()
export class PredictionResolver {
  constructor(private readonly predictions: PredictionService) {}

  @Mutation(() => PredictImagesResultUnion, {
    description:
      "The likeliest classes of images, scaled and normalised as the validation images of the checkpoint's run were.",
  })
  predictImages(@Arg('input', () => PredictImagesInput) input: PredictImagesInput): Promise<PredictImagesResult> {
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'PredictImagesSuccess',
      images: await this.predictions.predict(input, keyOf('Checkpoint', input.checkpoint)),
    }))
  }
}
