// Keeps devices for a run that cannot start yet: those that are expected to be free first, from the time when all are.
import { expectedFree, fewestOf, isOverdue, type Slot } from './device-slots.ts'
import type { QueuedRun } from './lease-plan.ts'
import { compareInQueue } from './queue-order.ts'

export interface Reservation {
  /** In ms; Infinity where nobody can tell. */
  at: number
  slots: Slot[]
  /** Slots that runs behind this one hold beyond their time, and whose return is all that it lacks. */
  overdue: Slot[]
}

/** `fitting` are the devices in service that the run could have, at least as many as it needs. */
export function reserve(run: QueuedRun, fitting: readonly Slot[], now: number): Reservation {
  const count = fewestOf(run.request)
  const slots = fitting
    .map((slot) => ({ slot, at: expectedFree(slot, run, now), cost: costOf(slot, run, now) }))
    .sort((a, b) => compareNumbers(a.at, b.at) || a.cost - b.cost || compareHolders(a.slot, b.slot))
    .slice(0, count)
  const at = slots.at(-1)?.at ?? Infinity
  const seconds = run.expectedSeconds(count)
  const until = seconds === null ? Infinity : at + seconds * 1000
  const overdue = at > now ? [] : slots.filter(({ slot }) => isOverdue(slot, run, now))
  for (const { slot } of slots) {
    // Where nobody can tell the time, it may come at any moment.
    slot.claim ??= { runId: run.runId, from: at === Infinity ? now : at, until }
    slot.claim.until = until
  }
  return { at, slots: slots.map(({ slot }) => slot), overdue: overdue.map(({ slot }) => slot) }
}

/** What is free costs nobody anything, what is on its way back no more than it did already. */
function costOf(slot: Slot, run: QueuedRun, now: number): number {
  if (slot.holder === null) return 0
  return isOverdue(slot, run, now) ? 2 : 1
}

/** Of two that hold devices the one that is last in the queue gives way first. */
function compareHolders(a: Slot, b: Slot): number {
  const behind = a.holder === null || b.holder === null ? 0 : compareInQueue(b.holder, a.holder)
  return behind || a.index - b.index
}

function compareNumbers(a: number, b: number): number {
  return a === b ? 0 : a - b
}
