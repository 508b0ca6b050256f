// A device's record as its GraphQL type shows it.
import { globalId } from '../node.type.ts'
import type { DeviceRecord } from './device.record.ts'
import type { Device, DeviceState } from './device.type.ts'

export function devicePayload(record: DeviceRecord): Device {
  const { name, kind, model, uuid, memoryBytes } = record
  return {
    __typename: 'Device',
    id: globalId('Device', name),
    name,
    kind,
    model,
    cores: kind === 'CPU' ? record.cores : null,
    uuid,
    memoryBytes,
    state: stateOf(record),
    availability: record.availability,
    availabilityReason: record.availabilityReason,
    availabilitySince: record.availabilitySince,
  }
}

function stateOf({ present, runId }: DeviceRecord): DeviceState {
  if (runId !== null) return 'LEASED'
  return present ? 'FREE' : 'UNAVAILABLE'
}
