// Which queued run gets which devices: one decision a case, on a morning that begins at ten.
import { expect, test } from 'vitest'
import type { DeviceRecord } from '../../src/server/devices/device.record.ts'
import type { HoldingRun, QueuedRun } from '../../src/server/scheduling/lease-plan.ts'
import { planLeases } from '../../src/server/scheduling/plan-leases.ts'
import { compareInQueue, effectivePriority } from '../../src/server/scheduling/queue-order.ts'
import { simulatedDevice } from './queue-simulation.ts'

const clock = (time: string): Date => new Date(`2026-01-01T${time.length === 5 ? `${time}:00` : time}.000Z`)
const now = clock('10:00')

function device(name: string, runId: string | null = null, change: Partial<DeviceRecord> = {}): DeviceRecord {
  const [kind = '', ordinal = ''] = name.split(':')
  return { ...simulatedDevice(kind === 'cpu' ? 'CPU' : 'CUDA', Number(ordinal)), runId, ...change }
}

type Wish = Partial<Omit<QueuedRun, 'expectedSeconds' | 'waitingSince'>> & { minutes?: number; at?: string }

function queued(runId: string, { minutes, at = '09:00', ...wish }: Wish): QueuedRun {
  const place = { runId, priority: 0, waitingSince: clock(at), notBefore: null }
  const expectedSeconds = (count: number): number | null => (minutes === undefined ? null : (minutes * 60) / count)
  return { ...place, request: { kind: 'COUNT', count: 1, max: null, deviceKind: 'CPU' }, expectedSeconds, ...wish }
}

const counted = (runId: string, count: number, wish: Wish & { max?: number; deviceKind?: 'CPU' | 'CUDA' } = {}) => {
  const { max = null, deviceKind = 'CPU', ...rest } = wish
  return queued(runId, { request: { kind: 'COUNT', count, max, deviceKind }, ...rest })
}
const named = (runId: string, names: string[], wish: Wish = {}) =>
  queued(runId, { request: { kind: 'NAMED', names }, ...wish })

function holding(runId: string, end: string | null, change: Partial<HoldingRun> = {}): HoldingRun {
  const place = { runId, priority: 0, waitingSince: clock('08:00') }
  return {
    ...place,
    course: 'RUNNING',
    expectedEnd: end === null ? null : clock(end),
    backfilledUntil: null,
    ...change,
  }
}

interface Case {
  queue: QueuedRun[]
  devices: DeviceRecord[]
  holding?: HoldingRun[]
  grants?: Record<string, string>
  /** Grants of devices that are kept for another run, until when. */
  backfilled?: Record<string, string>
  yields?: Record<string, string | null>
  waiting?: Record<string, string>
  again?: string | null
}

const cases: Record<string, Case> = {
  'first come, each its own': {
    queue: [counted('b', 1, { at: '09:02' }), counted('a', 1, { at: '09:01' })],
    devices: [device('cpu:0'), device('cpu:1')],
    grants: { a: 'cpu:0', b: 'cpu:1' },
  },
  'priority passes those that have not waited ten minutes a point longer': {
    queue: [
      counted('old', 1, { at: '09:00' }),
      counted('urgent', 1, { priority: 2, at: '09:19' }),
      counted('late', 1, { priority: 2, at: '09:21' }),
    ],
    devices: [device('cpu:0'), device('cpu:1', 'x')],
    holding: [holding('x', '10:30')],
    grants: { urgent: 'cpu:0' },
    waiting: {
      old: '1 CPU device, 0 free: cpu:1, held by run x until about 10:30 UTC; cpu:0, held by run urgent. It is next, and expected to start at about 10:30 UTC.',
      late: '1 CPU device, 0 free: cpu:0, held by run urgent; cpu:1, held by run x until about 10:30 UTC. 1 run is before it.',
    },
  },
  'named devices in the order of the names': {
    queue: [named('a', ['cpu:1', 'cpu:0'])],
    devices: [device('cpu:0'), device('cpu:1')],
    grants: { a: 'cpu:1 cpu:0' },
  },
  'the most devices that are free, of the counts that are allowed': {
    queue: [counted('a', 1, { max: 4 })],
    devices: [device('cpu:0'), device('cpu:1', 'x'), device('cpu:2'), device('cpu:3')],
    grants: { a: 'cpu:0 cpu:2' },
  },
  'the fewest where no more are free': {
    queue: [counted('a', 1, { max: 4 }), counted('b', 2, { max: 4 })],
    devices: ['cpu:0', 'cpu:1', 'cpu:2', 'cpu:3', 'cpu:4', 'cpu:5', 'cpu:6'].map((name) => device(name)),
    grants: { a: 'cpu:0 cpu:1 cpu:2 cpu:3', b: 'cpu:4 cpu:5' },
  },
  'a small run does not take what a large one before it waits for, where nobody can tell how long it takes': {
    queue: [counted('large', 2), counted('small', 1, { at: '09:01' })],
    devices: [device('cpu:0'), device('cpu:1', 'x')],
    holding: [holding('x', '10:10')],
    waiting: {
      large:
        '2 CPU devices, 1 free: cpu:1, held by run x until about 10:10 UTC. It is next, and expected to start at about 10:10 UTC.',
      small:
        '1 CPU device, 0 free: cpu:0, kept for run large; cpu:1, held by run x until about 10:10 UTC. 1 run is before it.',
    },
    again: '10:00:30',
  },
  'nor where nobody can tell when the large one could start': {
    queue: [counted('large', 2), counted('small', 1, { at: '09:01', minutes: 1 })],
    devices: [device('cpu:0'), device('cpu:1', 'x')],
    holding: [holding('x', null)],
    waiting: { large: '2 CPU devices, 1 free: cpu:1, held by run x. It is next.' },
    again: '10:00:30',
  },
  'nor where the run that it waits for takes longer than was expected': {
    queue: [counted('large', 2), counted('small', 1, { at: '09:01', minutes: 1 })],
    devices: [device('cpu:0'), device('cpu:1', 'x')],
    holding: [holding('x', '09:59')],
    waiting: { large: '2 CPU devices, 1 free: cpu:1, held by run x. It is next.' },
    again: '10:00:30',
  },
  'it does where it is expected to end before': {
    queue: [
      counted('large', 2),
      counted('long', 1, { at: '09:01', minutes: 11 }),
      counted('small', 1, { at: '09:02', minutes: 9 }),
    ],
    devices: [device('cpu:0'), device('cpu:1', 'x')],
    holding: [holding('x', '10:10')],
    grants: { small: 'cpu:0' },
    backfilled: { small: '10:10' },
    again: '10:10',
  },
  'a run that passes takes no more devices than it must of those that are kept': {
    queue: [counted('large', 4), counted('small', 1, { max: 4, at: '09:01', minutes: 1 })],
    devices: [device('cpu:0'), device('cpu:1'), device('cpu:2'), device('cpu:3', 'x')],
    holding: [holding('x', '10:10')],
    grants: { small: 'cpu:0' },
    backfilled: { small: '10:10' },
    again: '10:00:30',
  },
  'a run may have what nobody before it could': {
    queue: [
      named('a', ['cpu:0']),
      counted('b', 1, { at: '09:01', deviceKind: 'CUDA' }),
      named('c', ['cpu:1'], { at: '09:02' }),
    ],
    devices: [device('cpu:0', 'x'), device('cpu:1'), device('cuda:0')],
    holding: [holding('x', null)],
    grants: { b: 'cuda:0', c: 'cpu:1' },
    waiting: { a: 'cpu:0, held by run x. It is next.' },
  },
  'each that waits has devices kept for it, not the first alone': {
    queue: [
      named('a', ['cpu:0', 'cpu:1']),
      named('b', ['cpu:2', 'cpu:3'], { at: '09:01' }),
      counted('c', 1, { at: '09:02' }),
    ],
    devices: [device('cpu:0', 'x'), device('cpu:1'), device('cpu:2', 'y'), device('cpu:3')],
    holding: [holding('x', null), holding('y', null)],
    waiting: {
      c: '1 CPU device, 0 free: cpu:0, held by run x; cpu:1, kept for run a; cpu:2, held by run y; cpu:3, kept for run b. 2 runs are before it.',
    },
    again: '10:00:30',
  },
  'a run that has had the time for which it passed yields to the one that it passed': {
    queue: [counted('large', 2)],
    devices: [device('cpu:0', 'small'), device('cpu:1')],
    holding: [holding('small', '10:20', { waitingSince: clock('09:01'), backfilledUntil: clock('10:00') })],
    yields: { small: 'large' },
    waiting: {
      large: '2 CPU devices, 1 free: cpu:0, held by run small, which is leaving. It is next, and about to start.',
    },
    again: '10:00:30',
  },
  'not before': {
    queue: [counted('large', 2)],
    devices: [device('cpu:0', 'small'), device('cpu:1')],
    holding: [holding('small', null, { waitingSince: clock('09:01'), backfilledUntil: clock('10:00:10') })],
    waiting: {
      large:
        '2 CPU devices, 1 free: cpu:0, held by run small until about 10:00 UTC. It is next, and expected to start at about 10:00 UTC.',
    },
    again: '10:00:10',
  },
  'not where that alone would not start it': {
    queue: [counted('large', 2)],
    devices: [device('cpu:0', 'small'), device('cpu:1', 'x')],
    holding: [
      holding('small', null, { waitingSince: clock('09:01'), backfilledUntil: clock('09:50') }),
      holding('x', null),
    ],
    waiting: { large: '2 CPU devices, 0 free: cpu:0, held by run small; cpu:1, held by run x. It is next.' },
  },
  'not to a run that is behind it': {
    queue: [counted('large', 2)],
    devices: [device('cpu:0', 'small'), device('cpu:1')],
    holding: [holding('small', null, { waitingSince: clock('08:59'), backfilledUntil: clock('09:50') })],
    again: '10:00:30',
  },
  'the last in the queue yields first, and no more than must': {
    queue: [counted('large', 2)],
    devices: [device('cpu:0', 'a'), device('cpu:1', 'b'), device('cpu:2')],
    holding: [
      holding('a', null, { waitingSince: clock('09:01'), backfilledUntil: clock('09:50') }),
      holding('b', null, { waitingSince: clock('09:02'), backfilledUntil: clock('09:50') }),
    ],
    yields: { b: 'large' },
    again: '10:00:30',
  },
  'a run that was given its own devices never yields': {
    queue: [counted('large', 2, { priority: 1000 })],
    devices: [device('cpu:0', 'small'), device('cpu:1')],
    holding: [holding('small', null, { waitingSince: clock('09:01') })],
    again: '10:00:30',
  },
  'a device that is out of service is given to nobody, and what can never be served holds nobody back': {
    queue: [
      named('a', ['cpu:1']),
      named('b', ['cpu:2', 'cpu:4'], { at: '09:01' }),
      counted('c', 4, { at: '09:02' }),
      counted('d', 2, { at: '09:03' }),
      counted('e', 1, { at: '09:04' }),
      counted('f', 8, { at: '09:05' }),
    ],
    devices: [
      device('cpu:0'),
      device('cpu:1', null, { availability: 'DRAINING' }),
      device('cpu:2', null, { availability: 'DISABLED', availabilityReason: 'its fan is broken' }),
      device('cpu:3', null, { availability: 'QUARANTINED', availabilityReason: '3 trainers died' }),
      device('cpu:4', null, { present: false }),
    ],
    grants: { e: 'cpu:0' },
    waiting: {
      a: 'cpu:1 is being drained',
      b: 'cpu:2 is disabled (its fan is broken); cpu:4 is not there any more',
      c: '4 CPU devices; 1 takes runs: cpu:1 is being drained; cpu:2 is disabled (its fan is broken); cpu:3 is in quarantine (3 trainers died)',
      f: '8 CPU devices; the machine has 4',
    },
  },
  'a run on a device that is disabled goes on elsewhere; one on a device that is drained goes on': {
    queue: [],
    devices: [
      device('cpu:0', 'a', { availability: 'DISABLED' }),
      device('cpu:1', 'b', { availability: 'DRAINING' }),
      device('cpu:2', 'c', { availability: 'DISABLED' }),
      device('cpu:3', 'a'),
      device('cpu:4', 'd', { availability: 'DISABLED' }),
    ],
    holding: [
      holding('a', null),
      holding('b', null),
      holding('c', null, { course: 'LEAVING' }),
      holding('d', null, { course: 'SILENT' }),
    ],
    yields: { a: null },
  },
  'a run is not started before its time, and holds nobody back': {
    queue: [counted('a', 1, { notBefore: clock('10:00:20') }), counted('b', 1, { at: '09:01' })],
    devices: [device('cpu:0')],
    grants: { b: 'cpu:0' },
    waiting: { a: 'its next attempt, not before 10:00:20 UTC' },
    again: '10:00:20',
  },
  'what is on its way back is waited for': {
    queue: [counted('a', 2, { minutes: 10 }), counted('b', 1, { at: '09:01', minutes: 1 })],
    devices: [device('cpu:0', 'x'), device('cpu:1')],
    holding: [holding('x', '23:00', { course: 'LEAVING' })],
    waiting: {
      a: '2 CPU devices, 1 free: cpu:0, held by run x, which is leaving. It is next, and about to start.',
      b: '1 CPU device, 0 free: cpu:0, held by run x, which is leaving; cpu:1, kept for run a. 1 run is before it; it is expected to start at about 10:05 UTC.',
    },
    again: '10:00:30',
  },
  'a long list of devices is cut, and another day is named': {
    queue: [counted('a', 4)],
    devices: [0, 1, 2, 3, 4, 5].map((ordinal) => device(`cpu:${ordinal}`, 'x')),
    holding: [holding('x', null, { expectedEnd: new Date('2026-01-02T03:04:59.000Z') })],
    waiting: {
      a: `4 CPU devices, 0 free: ${[0, 1, 2, 3]
        .map((ordinal) => `cpu:${ordinal}, held by run x until about 2026-01-02 03:04 UTC; `)
        .join('')}and 2 more. It is next, and expected to start at about 2026-01-02 03:04 UTC.`,
    },
  },
}

test.each(Object.entries(cases))('%s', (_what, { queue, devices, holding: held = [], ...expected }) => {
  const plan = planLeases({ queue, holding: held, devices, now })
  const names = (list: DeviceRecord[]): string => list.map(({ name }) => name).join(' ')
  expect(Object.fromEntries(plan.grants.map((grant) => [grant.runId, names(grant.devices)]))).toEqual(
    expected.grants ?? {},
  )
  expect(
    Object.fromEntries(plan.grants.flatMap(({ runId, backfilledUntil: at }) => (at === null ? [] : [[runId, at]]))),
  ).toEqual(Object.fromEntries(Object.entries(expected.backfilled ?? {}).map(([runId, at]) => [runId, clock(at)])))
  expect(Object.fromEntries(plan.yields.map(({ runId, to }) => [runId, to]))).toEqual(expected.yields ?? {})
  const words = Object.fromEntries([...plan.waiting].map(([runId, waiting]) => [runId, waiting.words]))
  expect(words).toMatchObject(expected.waiting ?? {})
  // Whoever is queued is told of: with devices, or with why not.
  expect([...plan.grants.map(({ runId }) => runId), ...plan.waiting.keys()].sort()).toEqual(
    queue.map(({ runId }) => runId).sort(),
  )
  expect(plan.lookAgainAt).toEqual(
    expected.again === undefined || expected.again === null ? null : clock(expected.again),
  )
})

test('ten minutes of waiting are worth a point of priority, and the order of two that wait never changes', () => {
  const place = (runId: string, priority: number, at: string) => ({ runId, priority, waitingSince: clock(at) })
  expect(effectivePriority(place('a', 3, '09:30'), now)).toBe(6)
  expect(effectivePriority(place('a', -1000, '09:30'), new Date(now.getTime() + 7 * 86_400_000))).toBe(11)
  expect(compareInQueue(place('a', 0, '09:00'), place('b', 1, '09:09'))).toBeGreaterThan(0)
  expect(compareInQueue(place('a', 0, '09:00'), place('b', 1, '09:11'))).toBeLessThan(0)
  // Equal: the one whose id is the older.
  expect(compareInQueue(place('a', 0, '09:00'), place('b', 1, '09:10'))).toBeLessThan(0)
})
