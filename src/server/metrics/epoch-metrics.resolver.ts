// Queries for the measurements of epochs.
import { Arg, Ctx, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql'
import type { Context } from '../context.ts'
import { findKeyOf } from '../node.type.ts'
import { Run } from '../runs/run.type.ts'
import { epochMetricsPayload } from './epoch-metrics.payload.ts'
import { EpochMetrics } from './epoch-metrics.type.ts'

@Resolver(() => Run)
export class EpochMetricsResolver {
  @Query(() => [EpochMetrics], { name: 'epochMetrics', description: 'By attempt and epoch; none for an unknown run.' })
  list(@Arg('runId', () => ID) runId: string, @Ctx() context: Context): Promise<EpochMetrics[]> {
    return loadMetrics(findKeyOf('Run', runId), context)
  }

  @FieldResolver(() => [EpochMetrics])
  epochMetrics(@Root() run: Run, @Ctx() context: Context): Promise<EpochMetrics[]> {
    return loadMetrics(run.key, context)
  }
}

async function loadMetrics(runKey: string | null, context: Context): Promise<EpochMetrics[]> {
  if (runKey === null) return []
  return (await context.epochMetrics.load(runKey)).map(epochMetricsPayload)
}
