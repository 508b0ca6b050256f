// Why a queued run waits, in words for a user: what it lacks, who has that, who is before it, and when it is expected to
// start.
import type { DeviceRequest } from '../../shared/run-spec.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import { fewestOf, isInService, isOpen, type SlotView } from './device-slots.ts'

/** More are counted, not named. */
const namedDevices = 4

/** A device as one run sees it. Times in ms, Infinity where nobody can tell. */
export interface Outlook {
  slot: SlotView
  /** When the run can expect to have it. */
  at: number
  /** When the run that holds it is expected to give it back. */
  heldUntil: number
}

export interface Blockade {
  request: DeviceRequest
  /** In service and such as the run asks for; those that are expected to be free first come first. */
  fitting: readonly Outlook[]
  /** From 1. */
  position: number
  /** Expected start in ms; Infinity where nobody can tell. */
  at: number
  now: number
}

export function blockedWords({ request, fitting, position, at, now }: Blockade): string {
  const taken = fitting.filter(({ slot }) => !isOpen(slot)).map((one) => takenWords(one, now))
  const more = taken.length - namedDevices
  const list = [...taken.slice(0, namedDevices), ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
  const lacking =
    request.kind === 'NAMED' ? list : `${askedWords(request)}, ${fitting.length - taken.length} free: ${list}`
  const before = position - 1
  const start = startWords(at, now)
  if (before === 0) return `${lacking}. It is next${start === '' ? '' : `, and ${start}`}.`
  const order = `${before} ${before === 1 ? 'run is' : 'runs are'} before it`
  return `${lacking}. ${order}${start === '' ? '' : `; it is ${start}`}.`
}

function startWords(at: number, now: number): string {
  if (at === Infinity) return ''
  return at <= now ? 'about to start' : `expected to start at about ${timeWords(at, now)}`
}

function takenWords({ slot, heldUntil }: Outlook, now: number): string {
  const { device, holder, claim } = slot
  if (holder === null) return `${device.name}, kept for run ${claim?.runId ?? ''}`
  const until = holder.course === 'LEAVING' ? ', which is leaving' : endWords(heldUntil, now)
  return `${device.name}, held by run ${holder.runId}${until}`
}

function endWords(at: number, now: number): string {
  return at === Infinity || at <= now ? '' : ` until about ${timeWords(at, now)}`
}

/** Of a request that cannot be served as things are. */
export function unservedWords(request: DeviceRequest, wanted: readonly DeviceRecord[]): string {
  const out = wanted.filter((device) => !isInService(device)).map(outOfServiceWords)
  if (request.kind === 'NAMED') {
    const gone = request.names.filter((name) => !wanted.some((device) => device.name === name))
    return [...gone.map(goneWords), ...out].join('; ')
  }
  const present = wanted.filter((device) => device.present)
  if (present.length < fewestOf(request)) return `${askedWords(request)}; the machine has ${present.length}`
  const serving = present.filter(isInService).length
  const closed = present.filter((device) => !isInService(device)).map(outOfServiceWords)
  return `${askedWords(request)}; ${serving} ${serving === 1 ? 'takes' : 'take'} runs: ${closed.join('; ')}`
}

export function earlyWords(notBefore: Date, now: number): string {
  return `its next attempt, not before ${timeWords(notBefore.getTime(), now, 19)}`
}

function askedWords(request: DeviceRequest): string {
  if (request.kind === 'NAMED') return request.names.join(', ')
  const { count, deviceKind } = request
  return `${count} ${deviceKind} ${count === 1 ? 'device' : 'devices'}`
}

function goneWords(name: string): string {
  return `${name} is not there any more`
}

function outOfServiceWords({ name, present, availability, availabilityReason }: DeviceRecord): string {
  if (!present) return goneWords(name)
  const why = availabilityReason === null ? '' : ` (${availabilityReason})`
  return `${name} is ${stateWords[availability]}${why}`
}

const stateWords = {
  ACTIVE: 'in service',
  DRAINING: 'being drained',
  DISABLED: 'disabled',
  QUARANTINED: 'in quarantine',
} as const satisfies Record<DeviceRecord['availability'], string>

/** `10:20 UTC`, with the day where it is not today's. */
function timeWords(at: number, now: number, length = 16): string {
  const text = new Date(at).toISOString().slice(0, length).replace('T', ' ')
  const today = new Date(now).toISOString().slice(0, 10)
  return `${text.startsWith(today) ? text.slice(today.length + 1) : text} UTC`
}
