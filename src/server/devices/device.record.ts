// The plain record of a device: found on this machine now, or known from before.
import type { DeviceKind } from '../../shared/run-spec.ts'

/** A device as discovery finds it. */
export interface FoundDevice {
  /** `cpu:0`, `cuda:1`. */
  name: string
  kind: DeviceKind
  ordinal: number
  model: string
  /** Operating-system core numbers of a CPU partition; empty for a GPU. */
  cores: number[]
  uuid: string | null
  memoryBytes: bigint
}

/** DRAINING and DISABLED are a user's wish, QUARANTINED is the scheduler's. */
export const deviceAvailabilities = ['ACTIVE', 'DRAINING', 'DISABLED', 'QUARANTINED'] as const
export type DeviceAvailability = (typeof deviceAvailabilities)[number]

export interface DeviceRecord extends FoundDevice {
  /** Found when the server started. */
  present: boolean
  /** The run that holds it. */
  runId: string | null
  availability: DeviceAvailability
  /** Why, in words. */
  availabilityReason: string | null
  /** Null: since it was first found. */
  availabilitySince: Date | null
}
