// What the planner of leases is given, and what it answers: plain records, so that the same input gives the same plan.
import type { DeviceRequest } from '../../shared/run-spec.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { WaitingRun } from '../runs/run.service.ts'
import type { QueuePlace } from './queue-order.ts'

export interface QueuedRun extends QueuePlace {
  request: DeviceRequest
  /** It is not started before; null: at any time. */
  notBefore: Date | null
  /** Seconds from its start to its end on so many devices; null where nobody can tell. */
  expectedSeconds: (devices: number) => number | null
}

/** LEAVING has been told to; SILENT cannot be told anything. */
export type Course = 'RUNNING' | 'LEAVING' | 'SILENT'

/** A run that holds devices. Its place is the one it has when it is queued again. */
export interface HoldingRun extends QueuePlace {
  course: Course
  /** Null where nobody can tell. */
  expectedEnd: Date | null
  /** It was given devices that are kept for a run before it, until then; null: it was not. */
  backfilledUntil: Date | null
}

export interface QueueSituation {
  queue: readonly QueuedRun[]
  holding: readonly HoldingRun[]
  /** All devices, in order, each with the run that holds it. */
  devices: readonly DeviceRecord[]
  now: Date
}

export interface Grant {
  runId: string
  /** In the order of its replicas: the first computes the first shards. */
  devices: DeviceRecord[]
  backfilledUntil: Date | null
}

/** A run that is to give its devices back, and is queued again in its place. */
export interface Yield {
  runId: string
  /** The run that is before it; null: a device of its own is disabled. */
  to: string | null
}

export interface Waiting extends WaitingRun {
  /** Those it is expected to start on; none where nobody can tell. */
  deviceNames: string[]
}

export interface LeasePlan {
  grants: Grant[]
  yields: Yield[]
  /** Each run that got nothing, by its id. */
  waiting: Map<string, Waiting>
  /** When to plan again though nothing has happened; null: not before something does. */
  lookAgainAt: Date | null
}
