// Queries for the measurements of steps.
import { GraphQLError } from 'graphql'
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql'
import type { Context } from '../context.ts'
import { findKeyOf } from '../node.type.ts'
import { Run } from '../runs/run.type.ts'
import { stepMetricsPayload } from './step-metrics.payload.ts'
import type { StepSeriesRequest } from './step-metrics.record.ts'
import { StepMetrics } from './step-metrics.type.ts'

/** A bucket may keep four. */
const fewestPoints = 4
const mostPoints = 5000

@ArgsType()
class StepMetricsArgs {
  @Field(() => Int, { defaultValue: 1000, description: `Points at most, ${fewestPoints} to ${mostPoints}.` })
  maxPoints!: number

  @Field(() => Int, { nullable: true, description: 'The first step shown. Default: the first there is.' })
  fromStep?: number | null

  @Field(() => Int, { nullable: true, description: 'The last step shown. Default: the last there is.' })
  toStep?: number | null

  @Field(() => Int, { nullable: true, description: 'Only those that this attempt took. Default: all attempts.' })
  attempt?: number | null

  @Field(() => Boolean, { defaultValue: false, description: 'Also those that a later attempt has trained anew.' })
  includeSuperseded!: boolean
}

@Resolver(() => Run)
export class StepMetricsResolver {
  @Query(() => StepMetrics, { name: 'stepMetrics', description: 'No steps for an unknown run.' })
  async series(
    @Arg('runId', () => ID) runId: string,
    @Args(() => StepMetricsArgs) args: StepMetricsArgs,
    @Ctx() context: Context,
  ): Promise<StepMetrics> {
    const request = parseArgs(args)
    const runKey = findKeyOf('Run', runId)
    return runKey === null
      ? stepMetricsPayload({ steps: 0, points: [] })
      : stepMetricsPayload(await context.stepMetrics.load({ runKey, request }))
  }

  @FieldResolver(() => StepMetrics)
  async stepMetrics(
    @Root() { key: runKey }: Run,
    @Args(() => StepMetricsArgs) args: StepMetricsArgs,
    @Ctx() context: Context,
  ): Promise<StepMetrics> {
    return stepMetricsPayload(await context.stepMetrics.load({ runKey, request: parseArgs(args) }))
  }
}

function parseArgs({ maxPoints, fromStep, toStep, attempt, includeSuperseded }: StepMetricsArgs): StepSeriesRequest {
  if (maxPoints < fewestPoints || maxPoints > mostPoints) {
    const message = `\`maxPoints\` must be between ${fewestPoints} and ${mostPoints}; got ${maxPoints}.`
    throw new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } })
  }
  return {
    maxPoints,
    fromStep: fromStep ?? null,
    toStep: toStep ?? null,
    attempt: attempt ?? null,
    includeSuperseded,
  }
}
