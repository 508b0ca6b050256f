// Decides which queued run gets which devices. Pure: the queue by age, and no young run takes what an older one waits for.
import type { DeviceRequest } from '../../shared/run-spec.ts'
import type { DeviceRecord } from '../devices/device.record.ts'

export interface QueuedRequest {
  runId: string
  request: DeviceRequest
}

export interface LeasePlan {
  grants: { runId: string; devices: DeviceRecord[] }[]
  /** Why each run that got nothing waits, in words, by run. */
  waiting: Map<string, string>
}

/**
 * `queue` is oldest first. A run that cannot be served keeps the free devices it could use for itself: without that, a
 * stream of small runs would let one that needs several devices wait for ever.
 */
export function planLeases(queue: readonly QueuedRequest[], devices: readonly DeviceRecord[]): LeasePlan {
  const plan: LeasePlan = { grants: [], waiting: new Map() }
  /** Run that has, or is to have, each device that is taken. */
  const holders = new Map<string, string>()
  for (const { name, runId } of devices) if (runId !== null) holders.set(name, runId)
  for (const { runId, request } of queue) {
    const wanted = devices.filter((device) => isWanted(device, request))
    const free = wanted.filter(({ name, present }) => present && !holders.has(name))
    const count = request.kind === 'NAMED' ? request.names.length : request.count
    const granted = free.length >= count
    if (granted) plan.grants.push({ runId, devices: inOrderOf(request, free).slice(0, count) })
    else plan.waiting.set(runId, explain({ request, wanted, free, holders }))
    const kept = granted ? (plan.grants.at(-1)?.devices ?? []) : free
    for (const { name } of kept) holders.set(name, runId)
  }
  return plan
}

function isWanted({ name, kind }: DeviceRecord, request: DeviceRequest): boolean {
  return request.kind === 'NAMED' ? request.names.includes(name) : kind === request.deviceKind
}

/** The order of named devices is the run's: its first device computes the first shards. */
function inOrderOf(request: DeviceRequest, devices: readonly DeviceRecord[]): DeviceRecord[] {
  if (request.kind === 'COUNT') return [...devices]
  return [...devices].sort((a, b) => request.names.indexOf(a.name) - request.names.indexOf(b.name))
}

interface Shortage {
  request: DeviceRequest
  wanted: readonly DeviceRecord[]
  free: readonly DeviceRecord[]
  holders: ReadonlyMap<string, string>
}

function explain({ request, wanted, free, holders }: Shortage): string {
  const absent = missingOf(request, wanted)
  if (absent.length > 0) return `${absent.join(', ')} ${absent.length === 1 ? 'is' : 'are'} not there any more`
  const held = wanted.flatMap(({ name }) => {
    const holder = holders.get(name)
    return holder === undefined ? [] : [`${name}, held by run ${holder}`]
  })
  if (request.kind === 'NAMED') return held.join('; ')
  const { count, deviceKind } = request
  const present = wanted.filter((device) => device.present).length
  if (present < count) return `${count} ${deviceKind} devices; the machine has ${present}`
  return `${count} ${deviceKind} ${count === 1 ? 'device' : 'devices'}, ${free.length} free: ${held.join('; ')}`
}

function missingOf(request: DeviceRequest, wanted: readonly DeviceRecord[]): string[] {
  if (request.kind === 'COUNT') return []
  return request.names.filter((name) => !wanted.some((device) => device.name === name && device.present))
}
