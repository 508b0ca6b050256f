// The order in which queued runs are served: priority raised by waiting, then first come. Pure.

/** So long a wait is worth one point of priority. */
export const pointOfPriorityMs = 10 * 60_000

export interface QueuePlace {
  runId: string
  priority: number
  /** When it was last asked for. A run that yielded or is tried again keeps its place. */
  waitingSince: Date
}

/** Priority plus a point for each ten minutes waited. Unbounded, so that nothing is passed for ever. */
export function effectivePriority({ priority, waitingSince }: QueuePlace, now: Date): number {
  return priority + (now.getTime() - waitingSince.getTime()) / pointOfPriorityMs
}

/**
 * Negative where `a` is served before `b`. All who wait gain alike, so the order of two runs does not depend on when it
 * is looked at: of two runs the one is before the other for as long as both wait.
 */
export function compareInQueue(a: QueuePlace, b: QueuePlace): number {
  return standingSince(a) - standingSince(b) || compareTexts(a.runId, b.runId)
}

/** When a run of priority 0 would have been queued that stands where this one does. */
function standingSince({ priority, waitingSince }: QueuePlace): number {
  return waitingSince.getTime() - priority * pointOfPriorityMs
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
