// Fields of a run about its attempts and its lineage: transport only.
import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql'
import type { Context } from '../context.ts'
import { RunAttempt } from './run-course.type.ts'
import { runPayload } from './run.payload.ts'
import { Run } from './run.type.ts'

@Resolver(() => Run)
export class RunCourseResolver {
  constructor(private readonly runsDirectory: string) {}

  @FieldResolver(() => [RunAttempt], { description: 'In order; none before its first lease.' })
  attempts(@Root() run: Run, @Ctx() context: Context): Promise<RunAttempt[]> {
    return context.attempts.load(run.key)
  }

  @FieldResolver(() => Run, {
    nullable: true,
    description: 'The run that it was made from; null: none, or it is gone.',
  })
  async forkedFrom(@Root() run: Run, @Ctx() context: Context): Promise<Run | null> {
    return (await this.load(run.originKey === null ? [] : [run.originKey], context))[0] ?? null
  }

  @FieldResolver(() => [Run], { description: 'The runs that were made from it, oldest first.' })
  async forks(@Root() run: Run, @Ctx() context: Context): Promise<Run[]> {
    const forks = await context.forks.load(run.key)
    return this.load(
      forks.map(({ id }) => id),
      context,
    )
  }

  private async load(keys: readonly string[], context: Context): Promise<Run[]> {
    const found = await Promise.all(keys.map((key) => context.runs.load(key)))
    return found.flatMap((record) => (record === null ? [] : [runPayload(record, this.runsDirectory)]))
  }
}
