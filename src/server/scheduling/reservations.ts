// Keeps devices for a run that cannot start yet: those that are expected to be free first, from the time when all are.
import { changeSlot, expectedFree, fewestOf, isOverdue, type Slot } from './device-slots.ts'
import type { QueuedRun } from './lease-plan.ts'
import { compareInQueue } from './queue-order.ts'

export interface Reservation {
  /** When the run can start and is expected to end, in ms; Infinity where nobody can tell. */
  at: number
  until: number
  slots: Slot[]
  /** Slots that runs behind this one hold beyond their time, and whose return is all that it lacks. */
  overdue: Slot[]
}

/** `fitting` are the devices in service that the run could have, at least as many as it needs. */
export function findReservation(run: QueuedRun, fitting: readonly Slot[], now: number): Reservation {
  const count = fewestOf(run.request)
  const first = firstFree(run, fitting, now)
  const at = first.at(-1)?.at ?? Infinity
  const slots = first.map(({ slot }) => slot)
  const seconds = run.expectedSeconds(count)
  const until = seconds === null ? Infinity : at + seconds * 1000
  const overdue = at > now ? [] : slots.filter((slot) => isOverdue(slot, run, now))
  return { at, until, slots, overdue }
}

export interface Turn {
  /** Runs that had theirs before. */
  turn: number
  now: number
}

export function keepFor({ runId: own }: QueuedRun, { at, until, slots }: Reservation, { turn, now }: Turn): void {
  for (const slot of slots) {
    // Where nobody can tell the time, it may come at any moment.
    const { runId, from } = slot.claim ?? { runId: own, from: at === Infinity ? now : at }
    changeSlot(slot, turn, { claim: { runId, from, until } })
  }
}

/** A slot, and when the run can expect to have it. */
interface Candidate {
  slot: Slot
  at: number
}

/** As many as the run needs, in the order in which they are taken: few of many, and so picked out rather than sorted. */
function firstFree(run: QueuedRun, fitting: readonly Slot[], now: number): Candidate[] {
  const count = fewestOf(run.request)
  const isBefore = (a: Candidate, b: Candidate): boolean =>
    a.at < b.at ||
    (a.at === b.at && (costOf(a.slot, run, now) - costOf(b.slot, run, now) || compareHolders(a.slot, b.slot)) < 0)
  const first: Candidate[] = []
  for (const slot of fitting) {
    const candidate = { slot, at: expectedFree(slot, run, now) }
    const last = first[count - 1]
    if (last !== undefined && !isBefore(candidate, last)) continue
    if (last !== undefined) first.pop()
    const place = first.findIndex((other) => isBefore(candidate, other))
    first.splice(place === -1 ? first.length : place, 0, candidate)
  }
  return first
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
