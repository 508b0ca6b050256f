// How long a run still takes, as the queue asks: exact numbers, told from past runs, or from the run's own course.
import { expect, test } from 'vitest'
import { silentLog } from '../../src/server/log.ts'
import type { MeasuredRow, MeasuredRunStore } from '../../src/server/planning/measured-run.store.ts'
import { createPastRuns, type PastRuns } from '../../src/server/planning/past-runs.ts'
import { createRunEstimates } from '../../src/server/planning/run-estimates.ts'
import { emptyProjection } from '../../src/server/runs/run.projection.ts'
import type { RunRecord } from '../../src/server/runs/run.record.ts'
import type { RunEvent } from '../../src/shared/events.ts'
import type { RunPlan } from '../../src/shared/run-plan.ts'
import { parseRunSpec } from '../../src/shared/run-spec.ts'
import { simulatedDevice } from './queue-simulation.ts'

const clock = (seconds: number): Date => new Date(Date.UTC(2026, 0, 1, 10) + seconds * 1000)
const devices = [0, 1].map((ordinal) => ({ ...simulatedDevice('CPU', ordinal), cores: [ordinal] }))

const spec = parseRunSpec({
  runId: 'own',
  model: { architecture: 'RESNET18' },
  dataset: 'shapes',
  epochs: 3,
  globalBatch: 100,
  devices: { kind: 'COUNT', count: 1, deviceKind: 'CPU' },
  optimizer: { kind: 'SGD' },
  learningRate: 0.1,
})
const plan: RunPlan = {
  parameters: 11_175_370,
  image: { channels: 1, height: 28, width: 28 },
  flopsPerImage: 2e8,
  memoryBytes: null,
  stepsPerEpoch: 10,
  validationImages: 600,
  imagesPerSecond: null,
  durationSeconds: null,
  basis: null,
  basedOn: '',
  deviceNames: [],
  waitSeconds: null,
}

/** 1000 images in a second, validation in half of one; two before the first step, and a quarter between epochs. */
function row(change: Partial<MeasuredRow> = {}): MeasuredRow {
  return {
    runId: 'past',
    spec,
    plan,
    engine: 'native',
    stepsPerEpoch: 10,
    attempt: 1,
    deviceNames: ['cpu:0'],
    leasedAt: clock(-100),
    startedAt: clock(-98),
    succeededAt: clock(-98 + 3 * 1.75),
    epochs: [3, 2, 1].map((epoch) => ({ epoch, imagesPerSecond: 1000, wallSeconds: 1.5 })),
    ...change,
  }
}

function run(change: Partial<RunRecord> = {}): RunRecord {
  return {
    ...emptyProjection,
    ...{ id: 'own', name: null, spec, plan, architecture: 'RESNET18', dataset: 'shapes', epochs: 3, globalBatch: 100 },
    ...{ shards: 4, engineChoice: 'AUTO', learningRate: 0.1, seed: 0n, forkedFrom: null, createdAt: clock(0) },
    ...change,
  }
}

const running: Partial<RunRecord> = {
  ...{ state: 'RUNNING', attempt: 1, startedAttempt: 1, deviceNames: ['cpu:0'], stepsPerEpoch: 10 },
}

interface Course {
  rows?: MeasuredRow[]
  /** Seconds at which steps of the run ended, from its start on. */
  steps?: number[]
}

async function estimatesOf({ rows = [row()], steps = [] }: Course) {
  const pastRuns = pastRunsOf({ listLatest: () => Promise.resolve(rows) })
  pastRuns.observe('own', eventsOf(steps))
  const estimates = createRunEstimates({ pastRuns, now: () => clock(60) })
  await estimates.refresh(devices)
  return estimates
}

function pastRunsOf(store: Partial<MeasuredRunStore>): PastRuns {
  const nothing = { list: () => Promise.resolve([]), listFirstLeases: () => Promise.resolve([]) }
  return createPastRuns({ store: { listLatest: () => Promise.resolve([]), ...nothing, ...store }, log: silentLog })
}

function eventsOf(steps: readonly number[]) {
  const [start, ...ends] = steps
  if (start === undefined) return []
  const event = (type: string, seconds: number) =>
    ({ run: 'own', attempt: 1, seq: 1, type, at: clock(seconds).toISOString() }) as RunEvent
  return [event('started', start), ...ends.map((end) => event('step', end))].map((one, index) => ({
    cursor: index + 1,
    event: one,
  }))
}

test.each<[what: string, change: Partial<RunRecord>, count: number, seconds: number | null]>([
  ['the whole', {}, 1, 2 + 3 * (1 + 0.5 + 0.25)],
  ['on twice the cores', {}, 2, 2 + 3 * (0.5 + 0.25 + 0.25)],
  ['the last epoch, from a checkpoint', { resumeFrom: '1-00000020' }, 1, 2 + 1.75],
  ['the rest of an epoch, with the end of it', { resumeFrom: '1-00000025' }, 1, 2 + 0.5 + 0.5 + 0.25],
  ['steps as the trainer has told', { stepsPerEpoch: 5 }, 1, 2 + 3 * (0.5 + 0.5 + 0.25)],
  ['in a precision that nobody has measured', { spec: { ...spec, precision: 'BF16' } }, 1, null],
  ['without a plan', { plan: null }, 1, null],
  ['on devices that are not there', { resumeDevices: { kind: 'NAMED', names: ['cpu:7'] } }, 1, null],
])('a queued run: %s', async (_what, change, count, seconds) => {
  const estimates = await estimatesOf({})
  const told = estimates.expectedSeconds(run(change), count)
  if (seconds === null) expect(told).toBeNull()
  else expect(told).toBeCloseTo(seconds, 9)
})

test.each<[what: string, change: Partial<RunRecord>, course: Course, end: number | null]>([
  [
    'that is starting: from when it got its devices',
    { ...running, state: 'STARTING', startedAttempt: 0, stateSince: clock(50) },
    {},
    50 + 2 + 3 * 1.75,
  ],
  [
    'in its first epoch: at the mean of its steps, with validation as past runs had it',
    { ...running, step: 4 },
    { steps: [30, 34, 35, 36, 38] },
    38 + 26 * 2 + 3 * 0.75,
  ],
  ['before its first step: as past runs were', { ...running }, { steps: [30] }, 30 + 3 * 1.75],
  [
    'with nothing to compare: validation takes a third of training',
    { ...running, step: 4 },
    { steps: [30, 34, 35, 36, 38], rows: [] },
    38 + 26 * 2 + 3 * (600 / 150),
  ],
  [
    'behind its first epoch: at its own pace',
    { ...running, step: 12 },
    {
      steps: [30, 40, 41],
      rows: [
        row(),
        row({ runId: 'own', succeededAt: null, epochs: [{ epoch: 1, imagesPerSecond: 500, wallSeconds: 3 }] }),
      ],
    },
    41 + 18 / 5 + 2 * (1 + 0.25),
  ],
  [
    'whose earlier attempt came through an epoch on other devices',
    { ...running, attempt: 2, startedAttempt: 2, step: 12 },
    {
      steps: [30, 31, 32],
      rows: [
        row(),
        row({
          ...{ runId: 'own', succeededAt: null, deviceNames: ['cpu:0', 'cpu:1'] },
          epochs: [{ epoch: 1, imagesPerSecond: 5000, wallSeconds: 3 }],
        }),
      ],
    },
    32 + 18 + 2 * 0.75,
  ],
  [
    'that this server has not heard of yet: from now on',
    { ...running, step: 10, imagesPerSecond: 200 },
    { rows: [] },
    60 + 20 / 2 + 3 * 1,
  ],
  ['that has come to a halt: at a time that has passed', { ...running, step: 29 }, { steps: [10, 11] }, 11 + 1 + 2.25],
  ['of which nothing is known', { ...running }, { rows: [] }, null],
])('a run %s', async (_what, change, course, end) => {
  const estimates = await estimatesOf(course)
  const told = estimates.expectedEnd(run(change))
  if (end === null) expect(told).toBeNull()
  else expect(((told?.getTime() ?? NaN) - clock(0).getTime()) / 1000).toBeCloseTo(end, 2)
})

test('what cannot be read is asked for again, and what was known stays', async () => {
  const asked: string[][] = []
  let broken = false
  const pastRuns = pastRunsOf({
    listLatest: () => Promise.resolve([row()]),
    list: (runIds) => {
      asked.push([...runIds])
      return broken ? Promise.reject(new Error('no database')) : Promise.resolve([row({ runId: 'own' })])
    },
  })
  await pastRuns.refresh()
  expect(pastRuns.list(devices).map(({ runId }) => runId)).toEqual(['past'])
  await pastRuns.refresh()
  expect(asked).toEqual([])

  broken = true
  pastRuns.observe('own', eventsOf([1]))
  await pastRuns.refresh()
  expect(pastRuns.list(devices).map(({ runId }) => runId)).toEqual(['past'])

  broken = false
  await pastRuns.refresh()
  await pastRuns.refresh()
  expect(asked).toEqual([['own'], ['own']])
  expect(pastRuns.list(devices).map(({ runId }) => runId)).toEqual(['own', 'past'])
})

test('what a run measured is forgotten once another attempt trains all of it anew', async () => {
  const pastRuns = pastRunsOf({ listLatest: () => Promise.resolve([row(), row({ runId: 'own' })]) })
  await pastRuns.refresh()
  pastRuns.observe('own', eventsOf([1]))
  await pastRuns.refresh()
  expect(pastRuns.list(devices).map(({ runId }) => runId)).toEqual(['past'])
})

test('of runs on devices that are gone nothing is told', async () => {
  const pastRuns = pastRunsOf({ listLatest: () => Promise.resolve([row({ deviceNames: ['cpu:1'] })]) })
  await pastRuns.refresh()
  expect(pastRuns.list(devices)).toHaveLength(1)
  expect(pastRuns.list(devices.slice(0, 1))).toEqual([])
})
