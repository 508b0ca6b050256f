// What holds of every plan, whatever is submitted, dies, is drained or estimated wrongly: random courses of a simulated
// machine, and streams of runs that would keep one from starting for ever.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DeviceAvailability } from '../../src/server/devices/device.record.ts'
import { compareInQueue, pointOfPriorityMs } from '../../src/server/scheduling/queue-order.ts'
import type { DeviceRequest } from '../../src/shared/run-spec.ts'
import { type Deed, longestPauseSeconds, simulate, type SimulatedRun } from './queue-simulation.ts'

/** The same courses on every machine; TRAINQL_QUEUE_SEED looks at others. */
const seed = 20_260_101
const courses = 250

const kindsArbitrary = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 }))
  .map(([cpus, gpus]) => [...Array<'CPU'>(cpus).fill('CPU'), ...Array<'CUDA'>(gpus).fill('CUDA')])

function requestArbitrary(kinds: readonly ('CPU' | 'CUDA')[]): fc.Arbitrary<DeviceRequest> {
  const counted = fc.constantFrom(...new Set(kinds)).chain((deviceKind) => {
    const all = kinds.filter((kind) => kind === deviceKind).length
    const counts = [1, 2, 4].filter((count) => count <= all)
    return fc.tuple(fc.constantFrom(...counts), fc.constantFrom(null, 1, 2, 4, 8)).map(([count, max]) => ({
      kind: 'COUNT' as const,
      count,
      max: max === null || max < count ? null : max,
      deviceKind,
    }))
  })
  const cpus = kinds.filter((kind) => kind === 'CPU').map((_, index) => `cpu:${index}`)
  const named = fc
    .tuple(fc.shuffledSubarray(cpus, { minLength: 1 }), fc.constantFrom(1, 2, 4))
    .map(([names, count]) => ({ kind: 'NAMED' as const, names: names.slice(0, count <= names.length ? count : 1) }))
  return fc.oneof({ weight: 3, arbitrary: counted }, { weight: 1, arbitrary: named })
}

function runArbitrary(kinds: readonly ('CPU' | 'CUDA')[]): fc.Arbitrary<SimulatedRun> {
  return fc.record({
    request: requestArbitrary(kinds),
    priority: fc.constantFrom(0, 0, 0, 1, 5, -3),
    work: fc.integer({ min: 1, max: 2000 }),
    estimate: fc.constantFrom(null, 1, 1, 1, 0.1, 0.7, 1.5, 4),
    deaths: fc.oneof(
      { weight: 4, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.array(fc.double({ min: 0, max: 0.9, noNaN: true }), { maxLength: 3 }) },
    ),
  })
}

function deedArbitrary(kinds: readonly ('CPU' | 'CUDA')[]): fc.Arbitrary<Deed> {
  const deeds: { weight: number; arbitrary: fc.Arbitrary<Deed> }[] = [
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('SUBMIT'), run: runArbitrary(kinds) }) },
    { weight: 8, arbitrary: fc.record({ kind: fc.constant('WAIT'), seconds: fc.integer({ min: 0, max: 600 }) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('SET_DEVICE'),
        device: fc.nat(20),
        availability: fc.constantFrom<DeviceAvailability>('ACTIVE', 'ACTIVE', 'DRAINING', 'DISABLED', 'QUARANTINED'),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('SET_PRIORITY'),
        run: fc.nat(50),
        priority: fc.integer({ min: -10, max: 10 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('RESTART'), blindSeconds: fc.integer({ min: 0, max: 300 }) }),
    },
  ]
  return fc.oneof(...deeds)
}

const courseArbitrary = kindsArbitrary.chain((kinds) =>
  fc.record({
    kinds: fc.constant(kinds),
    pauses: fc.array(fc.integer({ min: 0, max: longestPauseSeconds }), { minLength: 1, maxLength: 5 }),
    deeds: fc.array(deedArbitrary(kinds), { minLength: 10, maxLength: 60, size: 'max' }),
  }),
)

test('no device is leased twice or out of service, nothing is delayed by backfill, everything starts and ends', () => {
  const counts = { plans: 0, grants: 0, backfills: 0, yields: 0, moves: 0 }
  fc.assert(
    fc.property(courseArbitrary, ({ kinds, pauses, deeds }) => {
      const simulation = simulate(kinds, pauses)
      for (const deed of deeds) simulation.perform(deed)
      simulation.finish()
      for (const name of ['plans', 'grants', 'backfills', 'yields', 'moves'] as const)
        counts[name] += simulation.counts[name]
    }),
    { seed: Number(process.env['QUEUE_SEED'] ?? seed), numRuns: Number(process.env['QUEUE_COURSES'] ?? courses) },
  )
  if (process.env['QUEUE_SEED'] !== undefined) console.log(counts)
  // What is to be shown has happened.
  expect(counts.backfills).toBeGreaterThan(100)
  expect(counts.yields).toBeGreaterThan(10)
  expect(counts.moves).toBeGreaterThan(50)
})

const one: DeviceRequest = { kind: 'COUNT', count: 1, max: null, deviceKind: 'CPU' }
const four: DeviceRequest = { kind: 'COUNT', count: 4, max: null, deviceKind: 'CPU' }

test.each<[what: string, estimate: number | null, priority: number]>([
  ['whose end nobody can tell', null, 0],
  ['that end as expected', 1, 0],
  ['that take ten times as long as expected', 0.1, 0],
  ['of a higher priority', 1, 1],
  ['of a higher priority that take ten times as long as expected', 0.1, 1],
])(
  'a run that needs every device starts in its turn in an endless stream of small runs %s',
  (_what, estimate, priority) => {
    const simulation = simulate(['CPU', 'CPU', 'CPU', 'CPU'], [longestPauseSeconds])
    const [shortest, longest] = [100, 400]
    const submitSmall = (turn: number): void => {
      const work = shortest + ((turn * 61) % (longest - shortest))
      simulation.perform({ kind: 'SUBMIT', run: { request: one, priority, work, estimate, deaths: [] } })
    }
    for (let turn = 0; turn < 6; turn++) submitSmall(turn)
    const asked = simulation.seconds
    simulation.perform({ kind: 'SUBMIT', run: { request: four, priority: 0, work: 400, estimate: 1, deaths: [] } })
    const large = simulation.runs.at(-1)
    if (large === undefined) throw new Error('it was submitted')
    // More than four devices can do.
    for (let turn = 0; large.firstStart === null && turn < 300; turn++) {
      submitSmall(turn)
      simulation.perform({ kind: 'WAIT', seconds: 40 })
    }
    const before = simulation.runs.filter((run) => compareInQueue(run, large) < 0)
    const work = before.reduce((sum, run) => sum + run.work, 0)
    expect(before.length).toBe(6 + (priority * pointOfPriorityMs) / 40_000)
    expect(large.firstStart).not.toBeNull()
    expect(simulation.seconds - asked).toBeLessThan(work / 4 + longest + longestPauseSeconds + 40)
  },
)
