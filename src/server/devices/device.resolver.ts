// Queries and mutations of devices, and the run that holds one.
import { Arg, Args, ArgsType, Ctx, Field, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql'
import type { DeviceKind } from '../../shared/run-spec.ts'
import { ConnectionArgs, type CountedConnection, parsePage, toConnection } from '../connection.type.ts'
import type { Context } from '../context.ts'
import { answer } from '../failures/answer.ts'
import { pageOfList } from '../page.ts'
import { runPayload } from '../runs/run.payload.ts'
import { Run } from '../runs/run.type.ts'
import type { DeviceAvailabilityService } from './device-availability.service.ts'
import { type DeviceAvailabilityResult, DeviceAvailabilityResultUnion } from './device.input.ts'
import { devicePayload } from './device.payload.ts'
import type { DeviceRecord } from './device.record.ts'
import type { DeviceService } from './device.service.ts'
import { Device, DeviceConnection, DeviceKindEnum } from './device.type.ts'

@ArgsType()
class DevicesArgs extends ConnectionArgs {
  @Field(() => DeviceKindEnum, { nullable: true })
  kind?: DeviceKind | null
}

@Resolver(() => Device)
export class DeviceResolver {
  constructor(
    private readonly devices: DeviceService,
    private readonly availability: DeviceAvailabilityService,
    private readonly runsDirectory: string,
  ) {}

  @Query(() => Device, { nullable: true })
  async device(@Arg('name', () => String) name: string): Promise<Device | null> {
    const found = await this.devices.find(name)
    return found === null ? null : devicePayload(found)
  }

  @Query(() => DeviceConnection, { name: 'devices' })
  async page(@Args(() => DevicesArgs) args: DevicesArgs): Promise<CountedConnection<Device>> {
    const page = parsePage(args, (text) => text)
    const kind = args.kind ?? null
    const all = (await this.devices.list()).filter((device) => kind === null || device.kind === kind)
    const key = ({ name }: DeviceRecord): string => name
    const connection = toConnection(page, pageOfList(all, page, key), { key, node: devicePayload })
    return { ...connection, countAll: () => Promise.resolve(all.length) }
  }

  @Mutation(() => DeviceAvailabilityResultUnion, {
    description: 'The device takes no more runs; the one that it has goes on, and then its state is FREE.',
  })
  drainDevice(
    @Arg('name', () => String) name: string,
    @Arg('reason', () => String, { nullable: true, description: 'For those who wait for it.' }) reason: string | null,
  ): Promise<DeviceAvailabilityResult> {
    return this.change(() => this.availability.drain(name, reason))
  }

  @Mutation(() => DeviceAvailabilityResultUnion, {
    description:
      'The device takes no more runs; the one that it has writes a checkpoint and is queued again in its place, to go on elsewhere.',
  })
  disableDevice(
    @Arg('name', () => String) name: string,
    @Arg('reason', () => String, { nullable: true, description: 'For those who wait for it.' }) reason: string | null,
  ): Promise<DeviceAvailabilityResult> {
    return this.change(() => this.availability.disable(name, reason))
  }

  @Mutation(() => DeviceAvailabilityResultUnion, {
    description: 'The device takes runs again, whether it was drained, disabled or in quarantine.',
  })
  enableDevice(@Arg('name', () => String) name: string): Promise<DeviceAvailabilityResult> {
    return this.change(() => this.availability.enable(name))
  }

  @FieldResolver(() => Run, { nullable: true, description: 'The run that holds it.' })
  async run(@Root() device: Device, @Ctx() context: Context): Promise<Run | null> {
    const runId = (await context.devices.load(device.name))?.runId ?? null
    const run = runId === null ? null : await context.runs.load(runId)
    return run === null ? null : runPayload(run, this.runsDirectory)
  }

  private change(operation: () => Promise<DeviceRecord>): Promise<DeviceAvailabilityResult> {
    return answer(['InvalidInputFailure', 'NotFoundFailure', 'ConflictFailure'], async () => ({
      __typename: 'DeviceAvailabilitySuccess',
      device: devicePayload(await operation()),
    }))
  }
}
