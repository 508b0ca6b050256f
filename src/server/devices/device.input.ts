// What mutations of devices answer with.
import { createUnionType, Field, ObjectType } from 'type-graphql'
import { ConflictFailure, InvalidInputFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { Device } from './device.type.ts'

@ObjectType('DeviceAvailabilitySuccess')
export class DeviceAvailabilitySuccess {
  __typename!: 'DeviceAvailabilitySuccess'

  @Field(() => Device)
  device!: Device
}

export type DeviceAvailabilityResult =
  DeviceAvailabilitySuccess | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const DeviceAvailabilityResultUnion = createUnionType({
  name: 'DeviceAvailabilityResult',
  types: () => [DeviceAvailabilitySuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: DeviceAvailabilityResult) => value.__typename,
})
