// `queue`: how long the planner takes to decide who gets which device, which it does after every event of a run.
import type { DeviceRecord } from '../../src/server/devices/device.record.ts'
import type { HoldingRun, QueuedRun } from '../../src/server/scheduling/lease-plan.ts'
import { planLeases } from '../../src/server/scheduling/plan-leases.ts'
import type { Bench, BenchOptions, Row } from '../bench.ts'
import { warnOfLoad, watchLoad } from '../load.ts'
import { allowedCores } from '../machine.ts'
import { median, spread } from '../rounds.ts'

const rowName = 'planMs-1000x64'
const [queuedRuns, busyDevices] = [1_000, 64]
const warmUps = 20
const plansOfRound = 10
/** So much of a pass over the queue may go into deciding. */
const barMs = 10

export const queue: Bench = {
  name: 'queue',
  description: 'one plan of the queue: 1,000 runs wait for 64 busy devices',
  rowNames: [rowName],
  run,
}

// eslint-disable-next-line @typescript-eslint/require-await -- a bench is a stream of rows, and this one waits for nothing.
async function* run({ rounds, note }: BenchOptions): AsyncGenerator<Row> {
  const now = new Date()
  const situation = { queue: waitingRuns(now), holding: holdingRuns(now), devices: devices(), now }
  for (let plan = 0; plan < warmUps; plan++) planLeases(situation)
  const foreignLoad = watchLoad([process], allowedCores())
  const times = Array.from({ length: rounds * plansOfRound }, () => {
    const begun = performance.now()
    planLeases(situation)
    return performance.now() - begun
  })
  const load = warnOfLoad(foreignLoad(), note)
  const value = median(times)
  const figures = { ours: null, peer: null, ratio: null, value, bar: barMs }
  const detail = { queuedRuns, busyDevices, plans: times.length, spread: spread(times), foreignLoad: load }
  yield { name: rowName, status: 'measured', unit: 'ms', ...figures, detail }
}

/** Ask for one, two or four devices, in three priorities, each expected to take ten minutes on one. */
function waitingRuns(now: Date): QueuedRun[] {
  return Array.from({ length: queuedRuns }, (_, index) => ({
    runId: `waiting${String(index).padStart(5, '0')}`,
    priority: index % 3,
    waitingSince: new Date(now.getTime() - 1_000_000 + index * 10),
    notBefore: null,
    request: { kind: 'COUNT', count: 2 ** (index % 3), max: null, deviceKind: 'CPU' },
    expectedSeconds: (count) => 600 / count,
  }))
}

/** One on each device, to end at times that are far from sorted. */
function holdingRuns(now: Date): HoldingRun[] {
  return Array.from({ length: busyDevices }, (_, index) => ({
    runId: `holding${index}`,
    priority: 0,
    waitingSince: new Date(now.getTime() - 10_000_000),
    course: 'RUNNING',
    expectedEnd: new Date(now.getTime() + (1 + ((index * 7919) % 1000)) * 1000),
    backfilledUntil: null,
  }))
}

function devices(): DeviceRecord[] {
  return Array.from({ length: busyDevices }, (_, ordinal) => ({
    ...{ name: `cpu:${ordinal}`, kind: 'CPU', ordinal, model: 'none', cores: [ordinal], uuid: null, memoryBytes: 1n },
    ...{ present: true, runId: `holding${ordinal}` },
    ...{ availability: 'ACTIVE', availabilityReason: null, availabilitySince: null },
  }))
}
