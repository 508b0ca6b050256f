// Which devices a run can have now: free ones that are kept for nobody, else with those that it is expected to give back
// before the run that they are kept for can start.
import type { DeviceRequest } from '../../shared/run-spec.ts'
import { fewestOf, isOpen, type Slot } from './device-slots.ts'
import type { QueuedRun } from './lease-plan.ts'

export interface Choice {
  /** In the order of the run's replicas. */
  slots: Slot[]
  /** When devices among them are needed by the run that they are kept for, in ms; null: none is kept. */
  backfilledUntil: number | null
}

/** Null where it cannot start now. */
export function chooseDevices(run: QueuedRun, fitting: readonly Slot[], now: number): Choice | null {
  const { request } = run
  const fewest = fewestOf(request)
  const open = fitting.filter(isOpen)
  if (open.length >= fewest) {
    return { slots: inOrderOf(request, open.slice(0, mostOf(request, open.length))), backfilledUntil: null }
  }
  const idle = fitting.filter(({ holder, claim }) => holder === null && claim !== null)
  // Where all are busy nobody is asked how long it would take.
  const seconds = open.length + idle.length < fewest ? null : run.expectedSeconds(fewest)
  if (seconds === null) return null
  const end = now + seconds * 1000
  const lent = idle.filter(({ claim }) => claim !== null && claim.from >= end)
  if (open.length + lent.length < fewest) return null
  // Those that are needed last.
  const borrowed = lent.sort((a, b) => neededAt(b) - neededAt(a)).slice(0, fewest - open.length)
  const backfilledUntil = Math.min(...borrowed.map(neededAt))
  return { slots: inOrderOf(request, [...open, ...borrowed]), backfilledUntil }
}

function neededAt({ claim }: Slot): number {
  return claim?.from ?? Infinity
}

/** Counts are powers of two: the fewest doubled as often as there are devices for it. */
function mostOf(request: DeviceRequest, free: number): number {
  if (request.kind === 'NAMED') return request.names.length
  const limit = Math.min(free, request.max ?? request.count)
  let count = request.count
  while (count * 2 <= limit) count *= 2
  return count
}

function inOrderOf(request: DeviceRequest, slots: readonly Slot[]): Slot[] {
  if (request.kind === 'COUNT') return [...slots].sort((a, b) => a.index - b.index)
  const placeOf = ({ device }: Slot): number => request.names.indexOf(device.name)
  return [...slots].sort((a, b) => placeOf(a) - placeOf(b))
}
