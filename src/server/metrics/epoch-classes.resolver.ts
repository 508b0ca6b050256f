// Fields of an epoch's metrics that go by class: read from the database only where they are asked for.
import { Arg, Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql'
import type { Context } from '../context.ts'
import {
  classAccuraciesPayload,
  confusionMatrixPayload,
  confusionRows,
  confusionsPayload,
  type EpochClassesRecord,
} from './epoch-classes.payload.ts'
import { ClassAccuracy, Confusion, ConfusionMatrix } from './epoch-classes.type.ts'
import { EpochMetrics } from './epoch-metrics.type.ts'

@Resolver(() => EpochMetrics)
export class EpochClassesResolver {
  @FieldResolver(() => [ClassAccuracy], {
    nullable: true,
    description: 'In the order of the labels. Null where an earlier version did not measure it.',
  })
  async perClass(@Root() metrics: EpochMetrics, @Ctx() context: Context): Promise<ClassAccuracy[] | null> {
    const found = await load(metrics, context)
    return found === null ? null : classAccuraciesPayload(found.record, found.classNames)
  }

  @FieldResolver(() => ConfusionMatrix, { nullable: true, description: 'Null as `perClass`.' })
  async confusionMatrix(@Root() metrics: EpochMetrics, @Ctx() context: Context): Promise<ConfusionMatrix | null> {
    const found = await load(metrics, context)
    return found === null ? null : confusionMatrixPayload(found.record, found.classNames)
  }
}

@Resolver(() => ConfusionMatrix)
export class ConfusionMatrixResolver {
  @FieldResolver(() => [[Int]], {
    nullable: true,
    description: 'Images by true class (row) and predicted class (column); null where `complete` is false.',
  })
  rows(@Root() matrix: ConfusionMatrix): number[][] | null {
    return confusionRows(matrix)
  }

  @FieldResolver(() => [Confusion], { description: 'The most frequent wrong predictions, the most frequent first.' })
  confusions(
    @Root() matrix: ConfusionMatrix,
    @Arg('first', () => Int, { defaultValue: 10 }) first: number,
  ): Confusion[] {
    return confusionsPayload(matrix, first)
  }
}

async function load(
  { key, runKey }: EpochMetrics,
  context: Context,
): Promise<{ record: EpochClassesRecord; classNames: readonly string[] } | null> {
  const [record, run] = await Promise.all([context.epochClasses.load(key), context.runs.load(runKey)])
  return record === null || record.classImages.length === 0 ? null : { record, classNames: run?.classNames ?? [] }
}
