// What a storm has done, for those who judge what came of it.
import type { LogMark } from './event-order.ts'
import type { FaultKind } from './plan.ts'

/** What was done, and the ids of the runs that it met: that of its trainer, or all that were under way. */
export interface Deed {
  what: string
  runs: string[]
}

/** A fault as it was. */
export interface Injected extends Deed {
  kind: FaultKind
  atMs: number
}

/** How much each subscriber had seen when the server was killed. */
export interface ServerKill {
  /** Before it listened. */
  starting: boolean
  seen: Map<string, number>
}

export interface StormRecord {
  injected: Injected[]
  serverKills: ServerKill[]
  /** What logs held when something was done to their trainers. */
  marks: LogMark[]
}
