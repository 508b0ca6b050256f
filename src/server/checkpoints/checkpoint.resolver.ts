// Queries for checkpoints.
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql'
import { ConnectionArgs, type CountedConnection, parsePage, toConnection } from '../connection.type.ts'
import type { Context } from '../context.ts'
import { findKeyOf } from '../node.type.ts'
import { runPayload } from '../runs/run.payload.ts'
import { Run } from '../runs/run.type.ts'
import { checkpointPayload } from './checkpoint.payload.ts'
import { checkpointPositionText, findCheckpointPosition } from './checkpoint.record.ts'
import type { CheckpointService } from './checkpoint.service.ts'
import { Checkpoint, CheckpointConnection } from './checkpoint.type.ts'

@ArgsType()
class CheckpointsArgs extends ConnectionArgs {
  @Field(() => ID, { nullable: true })
  runId?: string | null
}

@Resolver(() => Checkpoint)
export class CheckpointResolver {
  constructor(
    private readonly checkpoints: CheckpointService,
    private readonly runsDirectory: string,
  ) {}

  @Query(() => Checkpoint, { nullable: true })
  async checkpoint(@Arg('id', () => ID) id: string): Promise<Checkpoint | null> {
    const key = findKeyOf('Checkpoint', id)
    const found = key === null ? null : await this.checkpoints.find(key)
    return found === null ? null : checkpointPayload(found, this.runsDirectory)
  }

  @Query(() => CheckpointConnection, { name: 'checkpoints', description: 'Newest run first, in it oldest first.' })
  page(@Args(() => CheckpointsArgs) args: CheckpointsArgs): Promise<CountedConnection<Checkpoint>> {
    const runKey = typeof args.runId === 'string' ? (findKeyOf('Run', args.runId) ?? '') : null
    return checkpointConnection(this.checkpoints, { args, runKey, runsDirectory: this.runsDirectory })
  }

  @FieldResolver(() => Run)
  async run(@Root() checkpoint: Checkpoint, @Ctx() context: Context): Promise<Run> {
    const run = await context.runs.load(checkpoint.runKey)
    if (run === null) throw new Error(`checkpoint ${checkpoint.name} without its run ${checkpoint.runKey}`)
    return runPayload(run, this.runsDirectory)
  }
}

@Resolver(() => Run)
export class RunCheckpointsResolver {
  constructor(
    private readonly checkpointService: CheckpointService,
    private readonly runsDirectory: string,
  ) {}

  @FieldResolver(() => CheckpointConnection, { description: 'Oldest first.' })
  checkpoints(
    @Root() run: Run,
    @Args(() => ConnectionArgs) args: ConnectionArgs,
  ): Promise<CountedConnection<Checkpoint>> {
    return checkpointConnection(this.checkpointService, { args, runKey: run.key, runsDirectory: this.runsDirectory })
  }
}

async function checkpointConnection(
  checkpoints: CheckpointService,
  { args, runKey, runsDirectory }: { args: ConnectionArgs; runKey: string | null; runsDirectory: string },
): Promise<CountedConnection<Checkpoint>> {
  const page = parsePage(args, findCheckpointPosition)
  const rows = await checkpoints.page(page, runKey)
  const connection = toConnection(page, rows, {
    key: checkpointPositionText,
    node: (record) => checkpointPayload(record, runsDirectory),
  })
  return { ...connection, countAll: () => checkpoints.count(runKey) }
}
