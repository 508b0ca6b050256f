// The query for a model's layers, operations and memory.
import { Arg, Query, Resolver } from 'type-graphql'
import { answer } from '../failures/answer.ts'
import { ModelSummaryInput } from './model-summary.input.ts'
import { modelSummaryPayload } from './model-summary.payload.ts'
import type { ModelSummaryService } from './model-summary.service.ts'
import { type ModelSummaryResult, ModelSummaryResultUnion } from './model-summary.type.ts'

@Resolver()
export class ModelSummaryResolver {
  constructor(private readonly modelSummaryService: ModelSummaryService) {}

  @Query(() => ModelSummaryResultUnion, {
    description: 'What a model is made of, and the operations and memory that training it takes; nothing is started.',
  })
  modelSummary(@Arg('input', () => ModelSummaryInput) input: ModelSummaryInput): Promise<ModelSummaryResult> {
    return answer(['InvalidInputFailure'], () =>
      Promise.resolve(modelSummaryPayload(this.modelSummaryService.summarise(input))),
    )
  }
}
