// Which replica of a trainer does not move, told by its heartbeat alone. Pure.
import { beatIntervalMs, type Heartbeat } from '../../shared/run-directory.ts'
import type { ReplicaStall } from '../runs/run.record.ts'

export interface StalledReplica {
  replica: number
  device: string
  step: number
  stalledSeconds: number
}

/**
 * The replica that has been at work for longest without moving, where that is `limitSeconds` or more. Those that wait for
 * it at a barrier rest, and a trainer that evaluates, decodes or writes a checkpoint has replicas that move or rest. Time
 * is counted in beats: a trainer that was stopped as a whole has not stalled, however long it was.
 */
export function findStalled({ replicas }: Heartbeat, limitSeconds: number): StalledReplica | null {
  let longest: StalledReplica | null = null
  for (const [replica, { device, step, stalledBeats }] of replicas.entries()) {
    const stalledSeconds = (stalledBeats * beatIntervalMs) / 1000
    if (stalledSeconds < limitSeconds || stalledSeconds <= (longest?.stalledSeconds ?? 0)) continue
    longest = { replica, device, step, stalledSeconds }
  }
  return longest
}

/** Whether a replica that had stalled has moved since. */
export function hasMoved({ replicas }: Heartbeat, { replica }: ReplicaStall): boolean {
  return replicas[replica]?.stalledBeats === 0
}
