// The query that plans a run, the plan that is kept with one, and what became of it: transport only.
import { Arg, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql'
import type { Context } from '../context.ts'
import { answer } from '../failures/answer.ts'
import { CreateRunInput, initialKeyOf } from '../runs/run.input.ts'
import { Run } from '../runs/run.type.ts'
import { DateTimeScalar } from '../scalars.ts'
import { planRunPayload, runPlanPayload } from './planning.payload.ts'
import type { PlanningService } from './planning.service.ts'
import { type PlanRunResult, PlanRunResultUnion, RunGrade, RunPlan } from './planning.type.ts'

@Resolver(() => Run)
export class PlanningResolver {
  constructor(private readonly planning: PlanningService) {}

  @Query(() => PlanRunResultUnion, {
    description: 'What a run would take and when it would start, were it created now; nothing is changed.',
  })
  planRun(@Arg('input', () => CreateRunInput) input: CreateRunInput): Promise<PlanRunResult> {
    return answer(['LoadRefusedFailure', 'InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => {
      const { planned, spec } = await this.planning.planRun(input, initialKeyOf(input))
      return planRunPayload(planned, spec)
    })
  }

  @FieldResolver(() => RunPlan, {
    nullable: true,
    description: 'What was expected of it when it was created; null where nobody could tell.',
  })
  plan(@Root() run: Run): RunPlan | null {
    return run.keptPlan === null ? null : runPlanPayload(run.keptPlan, run)
  }

  @FieldResolver(() => DateTimeScalar, {
    nullable: true,
    description:
      'Of a run that is queued, starting or under way, from its own images/s once there are some; null where nobody can ' +
      'tell. A time that has passed: it takes longer than was expected.',
  })
  async expectedEnd(@Root() run: Run, @Ctx() context: Context): Promise<Date | null> {
    const record = await context.runs.load(run.key)
    return record === null ? null : this.planning.expectedEnd(record)
  }
}

@Resolver(() => RunPlan)
export class RunPlanResolver {
  @FieldResolver(() => RunGrade, {
    nullable: true,
    description: 'Null of a run that is not created, and before it has got devices.',
  })
  grade(@Root() { runKey }: RunPlan, @Ctx() context: Context): Promise<RunGrade | null> | null {
    return runKey === null ? null : context.runGrades.load(runKey)
  }
}
