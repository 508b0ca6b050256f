// A machine, its queue and its users, simulated: time passes from event to event, the real planner decides, and every
// plan is checked against what no plan may do.
import type { DeviceAvailability, DeviceRecord } from '../../src/server/devices/device.record.ts'
import type { HoldingRun, LeasePlan, QueuedRun, QueueSituation } from '../../src/server/scheduling/lease-plan.ts'
import { planLeases } from '../../src/server/scheduling/plan-leases.ts'
import { compareInQueue } from '../../src/server/scheduling/queue-order.ts'
import type { DeviceRequest } from '../../src/shared/run-spec.ts'

export interface SimulatedRun {
  request: DeviceRequest
  priority: number
  /** Seconds on one device; on n devices an n-th of it. */
  work: number
  /** What the estimate says for each second that it takes; null: nobody can tell. */
  estimate: number | null
  /** Attempts that die, and after which share of their time. */
  deaths: number[]
}

export type Deed =
  | { kind: 'SUBMIT'; run: SimulatedRun }
  | { kind: 'WAIT'; seconds: number }
  | { kind: 'SET_DEVICE'; device: number; availability: DeviceAvailability }
  | { kind: 'SET_PRIORITY'; run: number; priority: number }
  /** What the server holds in memory is lost: estimates come back only after a while. */
  | { kind: 'RESTART'; blindSeconds: number }

interface Run extends SimulatedRun {
  runId: string
  waitingSince: Date
  notBefore: Date | null
  /** Of its work, 0 … 1. */
  done: number
  state: 'QUEUED' | 'RUNNING' | 'LEAVING' | 'ENDED'
  startedAt: number
  /** When its process is gone: because it ended, died or was told to leave. */
  goneAt: number
  devices: number
  backfilledUntil: Date | null
  firstStart: number | null
}

/** How long a trainer may take to write its checkpoint and leave. */
export const longestPauseSeconds = 10
const retrySeconds = 5

export interface Simulation {
  perform(deed: Deed): void
  /** Lets time pass until every run that can be served has ended; every device is in service from here on. */
  finish(): void
  readonly runs: readonly Readonly<Run>[]
  /** Seconds since the beginning. */
  readonly seconds: number
  /** Backfills: on devices kept for another run. Yields: of those. Moves: off devices that were disabled. */
  readonly counts: { plans: number; grants: number; backfills: number; yields: number; moves: number }
}

/** `pauses` are the seconds that trainers take to leave, in turn. */
export function simulate(kinds: readonly ('CPU' | 'CUDA')[], pauses: readonly number[]): Simulation {
  const devices: DeviceRecord[] = kinds.map((kind, index) => simulatedDevice(kind, ordinalOf(kinds, index)))
  const runs: Run[] = []
  const counts = { plans: 0, grants: 0, backfills: 0, yields: 0, moves: 0 }
  let now = Date.UTC(2026, 0, 1)
  const beginning = now
  let blindUntil = 0
  let lookAgainAt: number | null = null
  /** The run that is first in the queue and cannot start, with the time by which it must. */
  let promise: { runId: string; at: number } | null = null

  const byId = (runId: string): Run => {
    const run = runs.find((candidate) => candidate.runId === runId)
    if (run === undefined) throw new Error(`no run ${runId}`)
    return run
  }
  const held = (run: Run): boolean => run.state === 'RUNNING' || run.state === 'LEAVING'

  function plannedSeconds(run: Run, count: number): number | null {
    if (run.estimate === null || now < blindUntil) return null
    return (run.work * (1 - run.done) * run.estimate) / count
  }

  function expectedEnd(run: Run): Date | null {
    if (run.estimate === null || now < blindUntil) return null
    return new Date(run.startedAt + ((run.work * (1 - run.done) * run.estimate) / run.devices) * 1000)
  }

  function situation(): QueueSituation {
    const queue = runs
      .filter(({ state }) => state === 'QUEUED')
      .map((run): QueuedRun => {
        const { runId, priority, waitingSince, notBefore, request } = run
        const expectedSeconds = (count: number): number | null => plannedSeconds(run, count)
        return { runId, priority, waitingSince, notBefore, request, expectedSeconds }
      })
    const holding = runs.filter(held).map((run): HoldingRun => {
      const { runId, priority, waitingSince, backfilledUntil, state } = run
      const course = state === 'LEAVING' ? 'LEAVING' : 'RUNNING'
      return { runId, priority, waitingSince, course, expectedEnd: expectedEnd(run), backfilledUntil }
    })
    return { queue, holding, devices, now: new Date(now) }
  }

  function pass(): void {
    const before = situation()
    const plan = planLeases(before)
    counts.plans += 1
    checkSame(
      plan,
      planLeases({ ...before, queue: [...before.queue].reverse(), holding: [...before.holding].reverse() }),
    )
    const first = before.queue.filter((run) => plan.waiting.get(run.runId)?.position === 1)[0] ?? null
    breakPromise(plan, first)
    for (const { runId, devices: given, backfilledUntil } of plan.grants) {
      const run = byId(runId)
      checkGrant(run, given, devices)
      for (const { name } of given) device(name).runId = runId
      start(run, given.length, backfilledUntil)
    }
    for (const { runId, to } of plan.yields) {
      const run = byId(runId)
      if (run.state !== 'RUNNING') throw new Error(`${runId} is ${run.state} and was told to yield`)
      const disabled = devices.some((one) => one.runId === runId && one.availability === 'DISABLED')
      if (to === null ? !disabled : run.backfilledUntil === null) throw new Error(`${runId} yields and need not`)
      if (to === null) counts.moves += 1
      else counts.yields += 1
      leave(run)
    }
    for (const { name, availability, runId } of devices) {
      if (availability === 'DISABLED' && runId !== null && byId(runId).state === 'RUNNING') {
        throw new Error(`${name} is disabled, and ${runId} trains on it`)
      }
    }
    checkProgress(plan)
    keepPromise(plan, first)
    lookAgainAt = plan.lookAgainAt?.getTime() ?? null
    if (lookAgainAt !== null && lookAgainAt <= now) throw new Error('looking again at a time that has passed')
  }

  const device = (name: string): DeviceRecord => {
    const found = devices.find((one) => one.name === name)
    if (found === undefined) throw new Error(`no device ${name}`)
    return found
  }

  function start(run: Run, count: number, backfilledUntil: Date | null): void {
    if (promise?.runId === run.runId) {
      if (now > promise.at + longestPauseSeconds * 1000) {
        throw new Error(`${run.runId} was to start ${(now - promise.at) / 1000} s ago`)
      }
      promise = null
    }
    counts.grants += 1
    if (backfilledUntil !== null) counts.backfills += 1
    const [death, ...deaths] = run.deaths
    const seconds = (run.work * (1 - run.done)) / count
    run.deaths = deaths
    run.goneAt = now + seconds * (death ?? 1) * 1000
    run.notBefore = null
    run.state = 'RUNNING'
    run.startedAt = now
    run.devices = count
    run.backfilledUntil = backfilledUntil
    run.firstStart ??= now
  }

  function leave(run: Run): void {
    run.state = 'LEAVING'
    const pause = pauses[(counts.yields + counts.moves) % pauses.length] ?? 0
    run.goneAt = Math.min(run.goneAt, now + pause * 1000)
  }

  /** Its process is gone. */
  function end(run: Run): void {
    const full = run.work * (1 - run.done)
    if (delaysByItself(run)) promise = null
    const worked = ((now - run.startedAt) / 1000) * run.devices
    const yielded = run.state === 'LEAVING'
    run.done += (1 - run.done) * (full === 0 ? 1 : Math.min(1, worked / full))
    for (const one of devices) if (one.runId === run.runId) one.runId = null
    run.state = run.done > 1 - 1e-9 ? 'ENDED' : 'QUEUED'
    run.backfilledUntil = null
    if (run.state === 'QUEUED' && !yielded) run.notBefore = new Date(now + retrySeconds * 1000)
  }

  /** What else than backfill makes the first run of the queue wait longer than was expected. */
  function breakPromise(plan: LeasePlan, first: QueuedRun | null): void {
    if (promise === null) return
    const due = byId(promise.runId)
    const passed = plan.grants.some(({ runId }) => compareInQueue(byId(runId), due) < 0)
    const late = runs.some((run) => held(run) && delaysByItself(run))
    const unserved = plan.waiting.get(promise.runId)?.position === null
    if (passed || late || unserved || (first !== null && first.runId !== promise.runId)) promise = null
  }

  /** It holds its devices longer than was expected, and need not make room for the run that has a promise. */
  const delaysByItself = (run: Run): boolean => {
    if (promise === null || run.estimate === null) return false
    if (run.backfilledUntil !== null && compareInQueue(byId(promise.runId), run) < 0) return false
    return run.startedAt + ((run.work * (1 - run.done) * run.estimate) / run.devices) * 1000 < now
  }

  /** From the reservation, and from what those behind have been promised meanwhile. */
  function keepPromise(plan: LeasePlan, first: QueuedRun | null): void {
    const at = first === null ? null : (plan.waiting.get(first.runId)?.expectedStart ?? null)
    if (first === null || at === null) return
    const lent = runs.flatMap((run) =>
      run.state === 'RUNNING' && run.backfilledUntil !== null && compareInQueue(first, run) < 0
        ? [run.backfilledUntil.getTime()]
        : [],
    )
    const latest = Math.max(at.getTime(), ...lent)
    if (promise === null || latest < promise.at) promise = { runId: first.runId, at: latest }
  }

  /** With nothing held there is nothing to wait for. */
  function checkProgress(plan: LeasePlan): void {
    if (runs.some(held)) return
    const stuck = [...plan.waiting].find(([, { position }]) => position !== null)
    if (stuck !== undefined) throw new Error(`${stuck[0]} waits, and nothing runs: ${stuck[1].words}`)
  }

  function nextTime(): number {
    const gone = runs.filter(held).map(({ goneAt }) => goneAt)
    return Math.min(...gone, lookAgainAt ?? Infinity)
  }

  function passTime(until: number): void {
    for (;;) {
      const next = nextTime()
      if (next > until) break
      now = Math.max(now, next)
      for (const run of runs) if (held(run) && run.goneAt <= now) end(run)
      pass()
    }
    now = until
  }

  return {
    runs,
    counts,
    get seconds() {
      return (now - beginning) / 1000
    },
    perform(deed) {
      switch (deed.kind) {
        case 'SUBMIT': {
          const runId = `run${String(runs.length).padStart(5, '0')}`
          const course = { devices: 0, backfilledUntil: null, startedAt: 0, goneAt: 0, firstStart: null, done: 0 }
          runs.push({ ...deed.run, ...course, runId, waitingSince: new Date(now), notBefore: null, state: 'QUEUED' })
          pass()
          return
        }
        case 'WAIT': {
          passTime(now + deed.seconds * 1000)
          return
        }
        case 'SET_DEVICE': {
          const one = devices[deed.device % devices.length]
          if (one === undefined) return
          one.availability = deed.availability
          if (deed.availability !== 'ACTIVE') promise = null
          pass()
          return
        }
        case 'SET_PRIORITY': {
          const run = runs[deed.run % Math.max(1, runs.length)]
          if (run === undefined) return
          run.priority = deed.priority
          promise = null
          pass()
          return
        }
        case 'RESTART':
          blindUntil = now + deed.blindSeconds * 1000
          lookAgainAt = null
          pass()
          return
        default:
          return deed satisfies never
      }
    },
    finish() {
      for (const one of devices) one.availability = 'ACTIVE'
      pass()
      const work = runs.reduce((sum, run) => sum + (run.state === 'ENDED' ? 0 : run.work), 0)
      // One after the other, each time on the fewest devices, with every death and every pause in between.
      const attempts = runs.reduce((sum, { deaths }) => sum + deaths.length + 2, 0)
      passTime(now + (work + attempts * (longestPauseSeconds + retrySeconds)) * 1000 * 2)
      const left = runs.find(({ state }) => state !== 'ENDED')
      if (left !== undefined) throw new Error(`${left.runId} has not ended: it is ${left.state}`)
      const leased = devices.find(({ runId }) => runId !== null)
      if (leased !== undefined) throw new Error(`${leased.name} is leased, and every run has ended`)
    },
  }
}

function ordinalOf(kinds: readonly string[], index: number): number {
  return kinds.slice(0, index).filter((kind) => kind === kinds[index]).length
}

export function simulatedDevice(kind: 'CPU' | 'CUDA', ordinal: number): DeviceRecord {
  const about = { kind, ordinal, model: 'simulated', cores: [], uuid: null, memoryBytes: 1n }
  const service = { availability: 'ACTIVE' as const, availabilityReason: null, availabilitySince: null }
  return { name: `${kind.toLowerCase()}:${ordinal}`, ...about, present: true, runId: null, ...service }
}

/** Devices that may be given, each once, and as many as were asked for. */
function checkGrant(run: Run, given: readonly DeviceRecord[], devices: readonly DeviceRecord[]): void {
  const names = given.map(({ name }) => name)
  const words = `${run.runId} was given ${names.join(', ')}`
  if (run.state !== 'QUEUED') throw new Error(`${words} and is ${run.state}`)
  if (new Set(names).size !== names.length) throw new Error(`${words}: one twice`)
  for (const name of names) {
    const device = devices.find((one) => one.name === name)
    if (device?.runId !== null) throw new Error(`${words}; ${name} is held by ${device?.runId ?? 'nobody'}`)
    if (device.availability !== 'ACTIVE') throw new Error(`${words}; ${name} is ${device.availability}`)
  }
  const { request } = run
  if (request.kind === 'NAMED') {
    if (names.join() !== request.names.join()) throw new Error(`${words}; asked for ${request.names.join(', ')}`)
    return
  }
  if (given.some(({ kind }) => kind !== request.deviceKind)) throw new Error(`${words} of another kind`)
  const isLegal =
    Number.isInteger(Math.log2(names.length)) &&
    names.length >= request.count &&
    names.length <= (request.max ?? request.count)
  if (!isLegal) throw new Error(`${words}; asked for ${request.count} to ${request.max ?? request.count}`)
}

function checkSame(a: LeasePlan, b: LeasePlan): void {
  const text = (plan: LeasePlan): string =>
    JSON.stringify(
      { ...plan, waiting: [...plan.waiting].sort(([x], [y]) => (x < y ? -1 : 1)) },
      (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
    )
  if (text(a) !== text(b)) throw new Error(`two plans for one situation:\n${text(a)}\n${text(b)}`)
}
