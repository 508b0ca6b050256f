// The devices of one plan while it is made: who holds each, for whom it is kept, and when it is expected to be free.
import type { DeviceRequest } from '../../shared/run-spec.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { HoldingRun } from './lease-plan.ts'
import { compareInQueue, type QueuePlace } from './queue-order.ts'

/** A device that is kept for a run which cannot start yet. Times in ms, Infinity where nobody can tell. */
export interface Claim {
  /** The first run that it is kept for, and from when. */
  runId: string
  from: number
  /** When the last run that it is kept for is expected to end. */
  until: number
}

/** Never changed in place, so that what it was stays known. */
export interface SlotState {
  /** The run that holds it, or is given it by this plan. */
  readonly holder: Readonly<HoldingRun> | null
  readonly claim: Readonly<Claim> | null
}

export interface Slot extends SlotState {
  readonly device: DeviceRecord
  /** In the order of devices. */
  readonly index: number
  holder: SlotState['holder']
  claim: SlotState['claim']
  /** What it was up to the turns of the runs that changed it, in order. */
  readonly past: (SlotState & { turn: number })[]
}

export type SlotView = SlotState & Pick<Slot, 'device' | 'index'>

export function slotsOf(devices: readonly DeviceRecord[], holding: readonly HoldingRun[]): Slot[] {
  const runs = new Map(holding.map((run) => [run.runId, run]))
  return devices.map((device, index) => {
    const { runId } = device
    const holder = runId === null ? null : (runs.get(runId) ?? unknownHolder(runId))
    return { device, index, holder, claim: null, past: [] }
  })
}

/** `turn` is that of the run for which it is changed, from 0. */
export function changeSlot(slot: Slot, turn: number, change: Partial<SlotState>): void {
  const { holder, claim, past } = slot
  if (past.at(-1)?.turn !== turn) past.push({ turn, holder, claim })
  Object.assign(slot, change)
}

/** The slot as it was when it was a run's turn, before anything was done for that run. */
export function slotAt({ device, index, past, holder, claim }: Slot, turn: number): SlotView {
  return { device, index, ...(past.find((state) => state.turn >= turn) ?? { holder, claim }) }
}

/** Of which nothing is known but that it is there. */
function unknownHolder(runId: string): HoldingRun {
  return { runId, course: 'SILENT', expectedEnd: null, backfilledUntil: null, priority: 0, waitingSince: new Date(0) }
}

/** It is there, and takes runs. */
export function isInService({ present, availability }: DeviceRecord): boolean {
  return present && availability === 'ACTIVE'
}

export function isWanted({ name, kind }: DeviceRecord, request: DeviceRequest): boolean {
  return request.kind === 'NAMED' ? request.names.includes(name) : kind === request.deviceKind
}

/** The fewest devices that the request can be served with. */
export function fewestOf(request: DeviceRequest): number {
  return request.kind === 'NAMED' ? request.names.length : request.count
}

/** Free, and kept for nobody. */
export function isOpen({ holder, claim }: SlotState): boolean {
  return holder === null && claim === null
}

/** When a run can expect to have it, in ms: `now` where it is free or about to be, Infinity where nobody can tell. */
export function expectedFree({ holder, claim }: SlotState, run: QueuePlace, now: number): number {
  if (claim !== null) return claim.until
  if (holder === null || holder.course === 'LEAVING') return now
  const end = holder.expectedEnd?.getTime() ?? Infinity
  // One that takes longer than was expected may take any time.
  const expected = end > now ? end : Infinity
  const { backfilledUntil } = holder
  if (backfilledUntil === null || !canBeTold(holder, run)) return expected
  return Math.min(expected, Math.max(backfilledUntil.getTime(), now))
}

/** The run that holds it has had its time, and is to make room for a run that is before it. */
export function isOverdue({ holder }: SlotState, run: QueuePlace, now: number): boolean {
  if (holder === null || holder.backfilledUntil === null) return false
  return holder.backfilledUntil.getTime() <= now && canBeTold(holder, run)
}

/** Whether it can be told to make room for a run. */
function canBeTold(holder: Readonly<HoldingRun>, run: QueuePlace): boolean {
  return holder.course === 'RUNNING' && compareInQueue(run, holder) < 0
}
