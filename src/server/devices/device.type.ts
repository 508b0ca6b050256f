// A device as GraphQL shows it.
import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql'
import { type DeviceKind, deviceKinds } from '../../shared/run-spec.ts'
import { countedConnectionType } from '../connection.type.ts'
import { enumOf } from '../enum.ts'
import { Node } from '../node.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'
import { type DeviceAvailability, deviceAvailabilities } from './device.record.ts'

export const deviceStates = ['FREE', 'LEASED', 'UNAVAILABLE'] as const
export type DeviceState = (typeof deviceStates)[number]

export const DeviceKindEnum = enumOf(deviceKinds)
registerEnumType(DeviceKindEnum, { name: 'DeviceKind' })
export const DeviceStateEnum = enumOf(deviceStates)
registerEnumType(DeviceStateEnum, { name: 'DeviceState' })
export const DeviceAvailabilityEnum = enumOf(deviceAvailabilities)
registerEnumType(DeviceAvailabilityEnum, {
  name: 'DeviceAvailability',
  description: 'Whether a device takes runs. It keeps this when the server restarts.',
  valuesConfig: {
    ACTIVE: { description: 'It takes runs.' },
    DRAINING: { description: 'It takes no more runs; the one that it has goes on, and then its state is FREE.' },
    DISABLED: { description: 'It takes no runs; the one that it had has gone on elsewhere, or waits.' },
    QUARANTINED: { description: 'It takes no runs: trainers died on it, one after the other.' },
  },
})

@ObjectType('Device', { implements: Node })
export class Device extends Node {
  __typename!: 'Device'

  @Field(() => ID)
  override id!: string

  @Field(() => String, { description: '`cpu:0`, `cuda:1`: the name to give when asking for it.' })
  name!: string

  @Field(() => DeviceKindEnum)
  kind!: DeviceKind

  @Field(() => String, { description: 'Processor or GPU model.' })
  model!: string

  @Field(() => [Int], { nullable: true, description: 'Operating-system cores of a CPU partition; null for a GPU.' })
  cores!: number[] | null

  @Field(() => String, { nullable: true, description: 'UUID of a GPU; null for a CPU partition.' })
  uuid!: string | null

  @Field(() => BigIntScalar, {
    description: "The GPU's memory, or a CPU partition's even share of what this process may use.",
  })
  memoryBytes!: bigint

  @Field(() => DeviceStateEnum)
  state!: DeviceState

  @Field(() => DeviceAvailabilityEnum)
  availability!: DeviceAvailability

  @Field(() => String, { nullable: true, description: 'Why it takes no runs, in words.' })
  availabilityReason!: string | null

  @Field(() => DateTimeScalar, { nullable: true, description: 'Null: since the device was first found.' })
  availabilitySince!: Date | null
}

export const DeviceConnection = countedConnectionType<Device>('Device', () => Device)
