// Queries, mutations and fields of runs: transport only.
import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql'
import { type CountedConnection, parsePage, toConnection } from '../connection.type.ts'
import type { Context } from '../context.ts'
import { devicePayload } from '../devices/device.payload.ts'
import { Device } from '../devices/device.type.ts'
import { answer } from '../failures/answer.ts'
import { findKeyOf } from '../node.type.ts'
import { DateTimeScalar } from '../scalars.ts'
import { CreateRunInput, type CreateRunResult, CreateRunResultUnion, initialKeyOf } from './run.input.ts'
import { filterOf, RunsArgs } from './run-filter.input.ts'
import { runPayload } from './run.payload.ts'
import type { RunRecord } from './run.record.ts'
import type { RunService, WaitingRun } from './run.service.ts'
import { Run, RunConnection } from './run.type.ts'

@Resolver(() => Run)
export class RunResolver {
  constructor(
    private readonly runs: RunService,
    private readonly runsDirectory: string,
  ) {}

  @Query(() => Run, { nullable: true })
  async run(@Arg('id', () => ID) id: string): Promise<Run | null> {
    const key = findKeyOf('Run', id)
    const found = key === null ? null : await this.runs.find(key)
    return found === null ? null : this.show(found)
  }

  @Query(() => RunConnection, { name: 'runs', description: 'Newest first.' })
  async page(@Args(() => RunsArgs) args: RunsArgs): Promise<CountedConnection<Run>> {
    const page = parsePage(args, (text) => text)
    const filter = filterOf(args)
    const connection = toConnection(page, await this.runs.page(page, filter), {
      key: ({ id }: RunRecord) => id,
      node: (record) => this.show(record),
    })
    return { ...connection, countAll: () => this.runs.count(filter) }
  }

  @Mutation(() => CreateRunResultUnion)
  createRun(@Arg('input', () => CreateRunInput) input: CreateRunInput): Promise<CreateRunResult> {
    return answer(['LoadRefusedFailure', 'InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'CreateRunSuccess',
      run: this.show(await this.runs.create(input, initialKeyOf(input))),
    }))
  }

  @FieldResolver(() => [Device], { description: 'Devices it holds, or last held; empty while queued.' })
  async devices(@Root() run: Run, @Ctx() context: Context): Promise<Device[]> {
    const found = await Promise.all(run.deviceNames.map((name) => context.devices.load(name)))
    return found.flatMap((device) => (device === null ? [] : [devicePayload(device)]))
  }

  @FieldResolver(() => String, { nullable: true, description: 'Why it is still queued, in words.' })
  waitingFor(@Root() run: Run): string | null {
    return this.waiting(run)?.words ?? null
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description: 'Of a queued run, from 1. Null where it cannot start as things are, whoever is before it.',
  })
  queuePosition(@Root() run: Run): number | null {
    return this.waiting(run)?.position ?? null
  }

  @FieldResolver(() => DateTimeScalar, {
    nullable: true,
    description: 'Of a queued run, where the runs before it are expected to end.',
  })
  expectedStart(@Root() run: Run): Date | null {
    return this.waiting(run)?.expectedStart ?? null
  }

  private waiting(run: Run): WaitingRun | null {
    return run.state === 'QUEUED' ? this.runs.waiting(run.key) : null
  }

  private show(record: RunRecord): Run {
    return runPayload(record, this.runsDirectory)
  }
}
