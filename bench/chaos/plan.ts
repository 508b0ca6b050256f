// The plan of a storm: which faults, in which order, how long apart. Pure: the same seed gives the same plan.
import { createRandom, type Random } from '../../src/trainer/random.ts'

/** What share of all faults each kind has where every kind is possible. */
const shares = {
  'server-kills': 29,
  'trainer-kills': 14,
  'trainer-freezes': 9,
  'stalled-replicas': 8,
  'torn-lines': 9,
  'dropped-sockets': 13,
  'database-outages': 8,
  'clock-jumps': 6,
  'full-disks': 4,
} as const

export type FaultKind = keyof typeof shares
export const faultKinds = Object.keys(shares) as FaultKind[]

/** Lanes run side by side; within one, a fault follows the one before it. */
export const lanes = ['server', 'trainers', 'moreTrainers', 'surroundings'] as const
export type Lane = (typeof lanes)[number]

export interface PlannedFault {
  kind: FaultKind
  /** From when it is possible. */
  delayMs: number
  /** Where it is not over at once. */
  lastsMs: number
  /** 0 … 1: which of several targets, or which variant. */
  draw: number
}

export type Plan = Record<Lane, PlannedFault[]>

/** Up to how long after it became possible a fault comes; each instant before is as likely. */
const longestDelayMs: Record<FaultKind, number> = {
  'server-kills': 4_000,
  'trainer-kills': 5_000,
  'trainer-freezes': 5_000,
  'stalled-replicas': 5_000,
  'torn-lines': 5_000,
  'dropped-sockets': 5_000,
  'database-outages': 5_000,
  'clock-jumps': 5_000,
  'full-disks': 5_000,
}

const lasts: Record<FaultKind, readonly [number, number]> = {
  'server-kills': [0, 0],
  'trainer-kills': [0, 0],
  // From what nobody notices to what makes a run unreachable.
  'trainer-freezes': [200, 6_000],
  // From what nobody notices to what is told, and where the run's policy says so ends the attempt.
  'stalled-replicas': [200, 6_000],
  'torn-lines': [0, 0],
  'dropped-sockets': [0, 2_000],
  'database-outages': [0, 0],
  'clock-jumps': [0, 0],
  'full-disks': [500, 3_000],
}

export interface PlanRequest {
  seed: number
  faults: number
  /** Those that are possible here, or asked for. */
  kinds: readonly FaultKind[]
  /** Delays and durations are so many times as long; 1 where runs are long enough to come to something in between. */
  pace: number
}

export function planStorm({ seed, faults, kinds, pace }: PlanRequest): Plan {
  const random = createRandom({ seed, stream: 'shuffle', substream: 0 })
  const all = Object.entries(countKinds(faults, kinds)).flatMap(([kind, count]) =>
    Array.from({ length: count }, () => draw(random, { kind: kind as FaultKind, pace })),
  )
  shuffle(random, all)
  const plan: Plan = { server: [], trainers: [], moreTrainers: [], surroundings: [] }
  for (const fault of all) plan[laneOf(fault.kind, plan)].push(fault)
  return plan
}

/** Counts that add up to `faults`, as near to the shares as whole numbers can be; each kind at least once where it fits. */
export function countKinds(faults: number, kinds: readonly FaultKind[]): Partial<Record<FaultKind, number>> {
  const whole = kinds.reduce((sum, kind) => sum + shares[kind], 0)
  const exact = kinds.map((kind) => ({ kind, exact: (faults * shares[kind]) / whole }))
  const counts = new Map(exact.map(({ kind, exact: share }) => [kind, Math.floor(share)]))
  const missing = faults - [...counts.values()].reduce((sum, count) => sum + count, 0)
  const byRemainder = exact.sort((a, b) => (b.exact % 1) - (a.exact % 1) || shares[b.kind] - shares[a.kind])
  for (const { kind } of byRemainder.slice(0, missing)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  for (const kind of kinds) {
    const [largest] = [...counts].sort((a, b) => b[1] - a[1])
    if (counts.get(kind) !== 0 || largest === undefined || largest[1] < 2) continue
    counts.set(largest[0], largest[1] - 1).set(kind, 1)
  }
  return Object.fromEntries(counts)
}

function draw(random: Random, { kind, pace }: { kind: FaultKind; pace: number }): PlannedFault {
  const [shortest, longest] = lasts[kind]
  return {
    kind,
    delayMs: Math.round(random.between(0, longestDelayMs[kind]) * pace),
    lastsMs: Math.round(random.between(shortest, longest) * pace),
    draw: random.uniform(),
  }
}

function laneOf(kind: FaultKind, { trainers, moreTrainers }: Plan): Lane {
  switch (kind) {
    case 'server-kills':
      return 'server'
    case 'trainer-kills':
    case 'trainer-freezes':
    case 'stalled-replicas':
    case 'torn-lines':
      return trainers.length > moreTrainers.length ? 'moreTrainers' : 'trainers'
    case 'dropped-sockets':
    case 'database-outages':
    case 'clock-jumps':
    case 'full-disks':
      return 'surroundings'
    default:
      return kind satisfies never
  }
}

/** Fisher and Yates. */
function shuffle(random: Random, items: PlannedFault[]): void {
  for (let last = items.length - 1; last > 0; last--) {
    const other = random.below(last + 1)
    ;[items[last], items[other]] = [items[other] as PlannedFault, items[last] as PlannedFault]
  }
}
