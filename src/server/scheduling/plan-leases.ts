// Decides which queued run gets which devices, and which run gives its own back. Pure. Each run that cannot start has
// devices kept for it; a run behind it has them meanwhile only where it is expected to give them back in time, and gives
// them back where it does not end as expected.
import type { DeviceRequest } from '../../shared/run-spec.ts'
import { type Choice, chooseDevices } from './backfill.ts'
import {
  changeSlot,
  expectedFree,
  fewestOf,
  isInService,
  isWanted,
  type Slot,
  slotAt,
  slotsOf,
  type SlotView,
} from './device-slots.ts'
import type { Grant, LeasePlan, QueuedRun, QueueSituation, Waiting, Yield } from './lease-plan.ts'
import { compareInQueue } from './queue-order.ts'
import { findReservation, keepFor, type Reservation, type Turn } from './reservations.ts'
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
  const servingOf = createServing(slots)
  let blocked = 0
  due.forEach((run, index) => {
    const turn = { turn: index, now }
    const { wanted, fitting } = servingOf(run.request)
    if (fitting.length < fewestOf(run.request)) {
      // It keeps nothing: what it lacks may never come back.
      const words = unservedWords(
        run.request,
        wanted.map(({ device }) => device),
      )
      waiting.set(run.runId, waitingOf(words))
      return
    }
    const choice = chooseDevices(run, fitting, now)
    if (choice !== null) {
      grants.push(grant(run, choice, turn))
      return
    }
    blocked += 1
    const reservation = findReservation(run, fitting, now)
    for (const { holder } of reservation.overdue) {
      if (holder === null || holder.course === 'LEAVING') continue
      // Which is told to the run that it leaves for.
      tellToLeave(slots, holder.runId, index - 1)
      yields.push({ runId: holder.runId, to: run.runId })
    }
    keepFor(run, reservation, turn)
    waiting.set(run.runId, blockedOf({ run, fitting, reservation, position: blocked, ...turn }))
  })
  return { grants, yields, waiting, lookAgainAt: nextLook({ slots, early, blocked, now }) }
}

function sortQueue(queue: readonly QueuedRun[], now: number): { due: QueuedRun[]; early: QueuedRun[] } {
  const isEarly = ({ notBefore }: QueuedRun): boolean => notBefore !== null && notBefore.getTime() > now
  const sorted = [...queue].sort(compareInQueue)
  return { due: sorted.filter((run) => !isEarly(run)), early: sorted.filter(isEarly) }
}

interface Serving {
  /** Such as a request asks for. */
  wanted: Slot[]
  /** Those of them that take runs. */
  fitting: Slot[]
}

/** Many runs ask for the same. */
function createServing(slots: readonly Slot[]): (request: DeviceRequest) => Serving {
  const known = new Map<string, Serving>()
  return (request) => {
    const key = request.kind === 'NAMED' ? `NAMED ${request.names.join()}` : request.deviceKind
    let serving = known.get(key)
    if (serving === undefined) {
      const wanted = slots.filter(({ device }) => isWanted(device, request))
      serving = { wanted, fitting: wanted.filter(({ device }) => isInService(device)) }
      known.set(key, serving)
    }
    return serving
  }
}

/** Before any run's turn. */
const beforeTurns = -1

/** Runs on a device that is disabled go on elsewhere. */
function yieldDisabled(slots: readonly Slot[]): Yield[] {
  const yields: Yield[] = []
  for (const { device, holder } of slots) {
    if (device.availability !== 'DISABLED' || holder?.course !== 'RUNNING') continue
    tellToLeave(slots, holder.runId, beforeTurns)
    yields.push({ runId: holder.runId, to: null })
  }
  return yields
}

function tellToLeave(slots: readonly Slot[], runId: string, turn: number): void {
  for (const slot of slots) {
    if (slot.holder?.runId === runId) changeSlot(slot, turn, { holder: { ...slot.holder, course: 'LEAVING' } })
  }
}

function grant(run: QueuedRun, { slots, backfilledUntil }: Choice, { turn, now }: Turn): Grant {
  const { runId, priority, waitingSince } = run
  const until = backfilledUntil === null ? null : new Date(backfilledUntil)
  const seconds = run.expectedSeconds(slots.length)
  const expectedEnd = seconds === null ? null : new Date(now + seconds * 1000)
  const holder = { runId, priority, waitingSince, course: 'RUNNING' as const, expectedEnd, backfilledUntil: until }
  for (const slot of slots) changeSlot(slot, turn, { holder })
  return { runId, devices: slots.map(({ device }) => device), backfilledUntil: until }
}

function waitingOf(words: string): Waiting {
  return { words, position: null, expectedStart: null, deviceNames: [] }
}

interface Blocked extends Turn {
  run: QueuedRun
  fitting: readonly Slot[]
  reservation: Reservation
  position: number
}

function blockedOf({ run, fitting, reservation, position, turn, now }: Blocked): Waiting {
  const { at, slots } = reservation
  return {
    // Made when they are asked for: nobody reads those of each run in a long queue. Said of the devices as they were
    // before this run's own were kept.
    get words() {
      const outlooks = fitting.map((slot) => outlookOf(slotAt(slot, turn), run, now))
      outlooks.sort((a, b) => (a.at === b.at ? 0 : a.at - b.at))
      return blockedWords({ request: run.request, fitting: outlooks, position, at, now })
    },
    position,
    expectedStart: at === Infinity ? null : new Date(at),
    deviceNames: at === Infinity ? [] : slots.map(({ device }) => device.name),
  }
}

function outlookOf(slot: SlotView, run: QueuedRun, now: number): Outlook {
  const heldUntil = expectedFree({ ...slot, claim: null }, run, now)
  return { slot, at: expectedFree(slot, run, now), heldUntil }
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
