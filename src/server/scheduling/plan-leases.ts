// Decides which queued run gets which devices, and which run gives its own back. Pure. Each run that cannot start has
// devices kept for it; a run behind it has them meanwhile only where it is expected to give them back in time, and gives
// them back where it does not end as expected.
import { type Choice, chooseDevices } from './backfill.ts'
import { expectedFree, fewestOf, isInService, isWanted, type Slot, slotsOf } from './device-slots.ts'
import type { Grant, LeasePlan, QueuedRun, QueueSituation, Waiting, Yield } from './lease-plan.ts'
import { compareInQueue } from './queue-order.ts'
import { type Reservation, reserve } from './reservations.ts'
import { blockedWords, earlyWords, type Outlook, unservedWords } from './waiting-words.ts'

/** Estimates come and change as runs go on: so often an idle device is looked at again that a run might have for a while. */
const idleLookMs = 30_000

export function planLeases({ queue, holding, devices, now: date }: QueueSituation): LeasePlan {
  const now = date.getTime()
  const slots = slotsOf(devices, holding)
  const yields = yieldDisabled(slots)
  const grants: Grant[] = []
  const waiting = new Map<string, Waiting>()
  const { due, early } = sortQueue(queue, now)
  for (const run of early) waiting.set(run.runId, waitingOf(earlyWords(run.notBefore ?? date, now)))
  let blocked = 0
  for (const run of due) {
    const wanted = slots.filter(({ device }) => isWanted(device, run.request))
    const fitting = wanted.filter(({ device }) => isInService(device))
    if (fitting.length < fewestOf(run.request)) {
      // It keeps nothing: what it lacks may never come back.
      const words = unservedWords(
        run.request,
        wanted.map(({ device }) => device),
      )
      waiting.set(run.runId, waitingOf(words))
      continue
    }
    const choice = chooseDevices(run, fitting, now)
    if (choice !== null) {
      grants.push(grant(run, choice, now))
      continue
    }
    blocked += 1
    // Said of the devices as they are before this run's own are kept.
    const outlooks = fitting.map((slot) => outlookOf(slot, run, now))
    const reservation = reserve(run, fitting, now)
    for (const { holder } of reservation.overdue) {
      if (holder === null || holder.course === 'LEAVING') continue
      holder.course = 'LEAVING'
      yields.push({ runId: holder.runId, to: run.runId })
    }
    waiting.set(run.runId, blockedOf({ run, outlooks, reservation, position: blocked, now }))
  }
  return { grants, yields, waiting, lookAgainAt: nextLook({ slots, early, blocked, now }) }
}

function sortQueue(queue: readonly QueuedRun[], now: number): { due: QueuedRun[]; early: QueuedRun[] } {
  const isEarly = ({ notBefore }: QueuedRun): boolean => notBefore !== null && notBefore.getTime() > now
  const sorted = [...queue].sort(compareInQueue)
  return { due: sorted.filter((run) => !isEarly(run)), early: sorted.filter(isEarly) }
}

/** Runs on a device that is disabled go on elsewhere. */
function yieldDisabled(slots: readonly Slot[]): Yield[] {
  const yields: Yield[] = []
  for (const { device, holder } of slots) {
    if (device.availability !== 'DISABLED' || holder?.course !== 'RUNNING') continue
    holder.course = 'LEAVING'
    yields.push({ runId: holder.runId, to: null })
  }
  return yields
}

function grant(run: QueuedRun, { slots, backfilledUntil }: Choice, now: number): Grant {
  const { runId, priority, waitingSince } = run
  const until = backfilledUntil === null ? null : new Date(backfilledUntil)
  const seconds = run.expectedSeconds(slots.length)
  const expectedEnd = seconds === null ? null : new Date(now + seconds * 1000)
  for (const slot of slots) {
    slot.holder = { runId, priority, waitingSince, course: 'RUNNING', expectedEnd, backfilledUntil: until }
  }
  return { runId, devices: slots.map(({ device }) => device), backfilledUntil: until }
}

function waitingOf(words: string): Waiting {
  return { words, position: null, expectedStart: null, deviceNames: [] }
}

function outlookOf(slot: Slot, run: QueuedRun, now: number): Outlook {
  const heldUntil = expectedFree({ ...slot, claim: null }, run, now)
  return { slot: { ...slot }, at: expectedFree(slot, run, now), heldUntil }
}

interface Blocked {
  run: QueuedRun
  outlooks: Outlook[]
  reservation: Reservation
  position: number
  now: number
}

function blockedOf({ run, outlooks, reservation, position, now }: Blocked): Waiting {
  const { at, slots } = reservation
  const fitting = outlooks.sort((a, b) => (a.at === b.at ? 0 : a.at - b.at))
  return {
    words: blockedWords({ request: run.request, fitting, position, at, now }),
    position,
    expectedStart: at === Infinity ? null : new Date(at),
    deviceNames: at === Infinity ? [] : slots.map(({ device }) => device.name),
  }
}

interface NextLook {
  slots: readonly Slot[]
  early: readonly QueuedRun[]
  blocked: number
  now: number
}

/** The next time at which this plan would be another one though nothing has happened. */
function nextLook({ slots, early, blocked, now }: NextLook): Date | null {
  const times = early.flatMap(({ notBefore }) => notBefore?.getTime() ?? [])
  if (blocked > 0) {
    times.push(...slots.flatMap(({ holder }) => holder?.backfilledUntil?.getTime() ?? []).filter((at) => at > now))
    if (slots.some(({ holder, claim }) => holder === null && claim !== null)) times.push(now + idleLookMs)
  }
  return times.length === 0 ? null : new Date(Math.min(...times))
}
