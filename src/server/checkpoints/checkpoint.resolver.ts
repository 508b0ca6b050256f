// Queries for checkpoints, and the fields that other rooms answer.
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql'
import { ConnectionArgs, type CountedConnection, parsePage, toConnection } from '../connection.type.ts'
import type { Context } from '../context.ts'
import { epochMetricsPayload } from '../metrics/epoch-metrics.payload.ts'
import { EpochMetrics } from '../metrics/epoch-metrics.type.ts'
import { findKeyOf } from '../node.type.ts'
import { runPayload } from '../runs/run.payload.ts'
import { Run } from '../runs/run.type.ts'
import { checkpointPayload } from './checkpoint.payload.ts'
import { type CheckpointOrigin, checkpointPositionText, findCheckpointPosition } from './checkpoint.record.ts'
import type { CheckpointFilter, CheckpointService } from './checkpoint.service.ts'
import { Checkpoint, CheckpointConnection, CheckpointOriginEnum } from './checkpoint.type.ts'

/** Where files lie. */
export interface Places {
  /** The data directory. */
  home: string
  runsDirectory: string
}

@ArgsType()
class CheckpointsArgs extends ConnectionArgs {
  @Field(() => ID, { nullable: true })
  runId?: string | null

  @Field(() => CheckpointOriginEnum, { nullable: true })
  origin?: CheckpointOrigin | null
}

@Resolver(() => Checkpoint)
export class CheckpointResolver {
  constructor(
    private readonly checkpoints: CheckpointService,
    private readonly places: Places,
  ) {}

  @Query(() => Checkpoint, { nullable: true })
  async checkpoint(@Arg('id', () => ID) id: string): Promise<Checkpoint | null> {
    const key = findKeyOf('Checkpoint', id)
    const found = key === null ? null : await this.checkpoints.find(key)
    return found === null ? null : checkpointPayload(found, this.places.home)
  }

  @Query(() => CheckpointConnection, {
    name: 'checkpoints',
    description: 'Newest run or import first, in a run oldest first.',
  })
  page(@Args(() => CheckpointsArgs) args: CheckpointsArgs): Promise<CountedConnection<Checkpoint>> {
    const runId = typeof args.runId === 'string' ? (findKeyOf('Run', args.runId) ?? '') : null
    const filter = { runId, origin: args.origin ?? null }
    return checkpointConnection(this.checkpoints, { args, filter, home: this.places.home })
  }

  @FieldResolver(() => Run, { nullable: true, description: 'Null where it was imported.' })
  async run(@Root() checkpoint: Checkpoint, @Ctx() context: Context): Promise<Run | null> {
    if (checkpoint.runKey === null) return null
    const run = await context.runs.load(checkpoint.runKey)
    if (run === null) throw new Error(`checkpoint ${checkpoint.name} without its run ${checkpoint.runKey}`)
    return runPayload(run, this.places.runsDirectory)
  }

  @FieldResolver(() => Checkpoint, {
    nullable: true,
    description: "The checkpoint that its run was initialised from or resumed from; null: the run's own first weights.",
  })
  parent(@Root() checkpoint: Checkpoint, @Ctx() context: Context): Promise<Checkpoint | null> {
    return loadCheckpoint(checkpoint.parentKey, context, this.places.home)
  }

  @FieldResolver(() => EpochMetrics, {
    nullable: true,
    description: 'Of the epoch that it was written at the end of; null inside an epoch, and of an import.',
  })
  async metrics(@Root() checkpoint: Checkpoint, @Ctx() context: Context): Promise<EpochMetrics | null> {
    const { runKey, attempt, step } = checkpoint
    if (runKey === null) return null
    const measured = await context.epochMetrics.load(runKey)
    const own = measured.find((metrics) => metrics.attempt === attempt && metrics.step === step)
    return own === undefined ? null : epochMetricsPayload(own)
  }
}

@Resolver(() => Run)
export class RunCheckpointsResolver {
  constructor(
    private readonly checkpointService: CheckpointService,
    private readonly home: string,
  ) {}

  @FieldResolver(() => CheckpointConnection, { description: 'Oldest first.' })
  checkpoints(
    @Root() run: Run,
    @Args(() => ConnectionArgs) args: ConnectionArgs,
  ): Promise<CountedConnection<Checkpoint>> {
    const filter = { runId: run.key, origin: null }
    return checkpointConnection(this.checkpointService, { args, filter, home: this.home })
  }

  @FieldResolver(() => Checkpoint, { nullable: true, description: 'Null: it began with random weights.' })
  initialisedFrom(@Root() run: Run, @Ctx() context: Context): Promise<Checkpoint | null> {
    return loadCheckpoint(run.initialKey, context, this.home)
  }
}

/** One that is named by something else; null where nothing is named, or the row is lost. */
export async function loadCheckpoint(key: string | null, context: Context, home: string): Promise<Checkpoint | null> {
  const record = key === null ? null : await context.checkpoints.load(key)
  return record === null ? null : checkpointPayload(record, home)
}

interface Listing {
  args: ConnectionArgs
  filter: CheckpointFilter
  home: string
}

async function checkpointConnection(
  checkpoints: CheckpointService,
  { args, filter, home }: Listing,
): Promise<CountedConnection<Checkpoint>> {
  const page = parsePage(args, findCheckpointPosition)
  const rows = await checkpoints.page(page, filter)
  const connection = toConnection(page, rows, {
    key: checkpointPositionText,
    node: (record) => checkpointPayload(record, home),
  })
  return { ...connection, countAll: () => checkpoints.count(filter) }
}
