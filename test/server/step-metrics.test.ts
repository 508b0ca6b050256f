// Steps in the database: the stream of events is what the log has, charts are what a plain loop over all steps would show,
// whatever batches the events came in.
import { PGlite } from '@electric-sql/pglite'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OpenDatabase, openDatabase } from '../../src/server/database/database.ts'
import { readMigrations } from '../../src/server/database/migrate.ts'
import { putTemplate } from '../../src/server/database/session.ts'
import { silentLog } from '../../src/server/log.ts'
import type { StepSeriesRequest } from '../../src/server/metrics/step-metrics.record.ts'
import { createStepMetricsStore } from '../../src/server/metrics/step-metrics.store.ts'
import { createRunEventStore } from '../../src/server/runs/run-event.store.ts'
import type { RunFilter } from '../../src/server/runs/run-filter.ts'
import { createRunStore } from '../../src/server/runs/run.store.ts'
import type { RunSpec } from '../../src/shared/run-spec.ts'
import { storeStory, storyOf, storySpec, type Turn } from './fixtures/run-story.ts'
import { thin } from './fixtures/thinning.ts'
import { makeFolder, removeFolder } from './server.ts'

let home: string
let database: OpenDatabase

beforeAll(async () => {
  home = await makeFolder()
  database = await openDatabase({ folder: home, url: null, log: silentLog })
})
afterAll(async () => {
  await database.close()
  await removeFolder(home)
})

let runs = 0
async function store(turns: readonly Turn[], batchSizes: readonly number[]) {
  runs += 1
  const runId = `r-${runs}`
  const events = await storeStory(createRunStore(database), runId, { events: storyOf(runId, turns), batchSizes })
  return { runId, events, startSteps: turns.map(({ startStep }) => startStep) }
}

const everything: StepSeriesRequest = {
  maxPoints: 1000,
  fromStep: null,
  toStep: null,
  attempt: null,
  includeSuperseded: false,
}

const everyRun: RunFilter = {
  ...{ states: null, name: null, architecture: null, dataset: null, device: null },
  ...{ createdFrom: null, createdBefore: null, forkedFrom: null },
}

// Few values, so that many are equal; and the smallest and the largest that there are.
const loss = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 0, max: 9 }).map((value) => value / 7) },
  { weight: 1, arbitrary: fc.constantFrom(null, 5e-324, 1.7976931348623157e308, -1 / 3) },
)
const turnArbitrary = fc.record({
  /** Of the steps that were done. */
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  losses: fc.array(loss, { maxLength: 700, size: 'max' }),
  otherEvery: fc.integer({ min: 1, max: 200 }),
})
const turnsArbitrary = fc.array(turnArbitrary, { minLength: 1, maxLength: 4 }).map((drawn) => {
  let done = 0
  return drawn.map(({ share, losses, otherEvery }): Turn => {
    const startStep = Math.floor(share * done)
    done = startStep + losses.length
    return { startStep, losses, otherEvery }
  })
})
const step = fc.option(fc.integer({ min: 0, max: 800 }))
const requestArbitrary = fc.record({
  maxPoints: fc.oneof(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 4, max: 3000 })),
  fromStep: step,
  toStep: step,
  attempt: fc.option(fc.integer({ min: 1, max: 4 })),
  includeSuperseded: fc.boolean(),
})

test('a chart is what a loop over every step gives, and the stream is the log, however they were stored', async () => {
  const events = createRunEventStore(database)
  const series = createStepMetricsStore(database)
  await fc.assert(
    fc.asyncProperty(
      turnsArbitrary,
      fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 3, maxLength: 5 }),
      fc.array(requestArbitrary, { minLength: 6, maxLength: 6 }),
      async (turns, batchSizes, requests) => {
        const { runId, events: log, startSteps } = await store(turns, batchSizes)
        expect(await events.listAfter(runId, 0, log.length + 1)).toEqual(log)
        for (const attempt of [0, turns.length]) {
          const last = log.filter(({ event }) => event.attempt === attempt).at(-1)
          expect(await events.findLast(runId, attempt)).toEqual(last)
        }
        for (const request of [everything, { ...everything, includeSuperseded: true }, ...requests]) {
          const expected = thin(log, startSteps, request)
          const found = (await series.listSeries([runId], request)).get(runId) ?? { steps: 0, points: [] }
          expect(found).toEqual(expected)
          expect(found.points.length).toBeLessThanOrEqual(request.maxPoints)
        }
      },
    ),
    // To shrink a counterexample is to store hundreds of runs.
    { numRuns: 8, endOnFailure: true },
  )
})

test('a run shows its newest loss as it was logged, to the last digit and up to the largest there is', async () => {
  for (const newest of [1.7976931348623157e308, 0.1 + 0.2]) {
    // An event of another kind behind it, so that both go in one transaction.
    const { runId } = await store([{ startStep: 0, losses: [1, newest], otherEvery: 2 }], [100])
    expect(await createRunStore(database).find(runId)).toMatchObject({ loss: newest, imagesPerSecond: 1000 / 3 + 1 })
  }
})

test('a page of events is the same from the front and from the back, across steps and the rest', async () => {
  const { runId, events: log } = await store(
    [{ startStep: 0, losses: new Array<number>(30).fill(1), otherEvery: 4 }],
    [7],
  )
  const events = createRunEventStore(database)
  expect(
    log
      .map(({ event }) => event.type)
      .slice(0, 9)
      .join(' '),
  ).toBe('queued leased started step step step step decoding step')
  const page = (from: 'front' | 'back', after: number | null, before: number | null) =>
    events.page(runId, { limit: 5, from, after, before })
  expect(await page('front', 4, null)).toEqual(log.slice(4, 10))
  expect(await page('front', 4, 8)).toEqual(log.slice(4, 7))
  expect(await page('back', null, 9)).toEqual(log.slice(2, 8))
  expect(await page('back', null, null)).toEqual(log.slice(-6))
  expect(await page('front', log.length, null)).toEqual([])
  expect(await events.find(runId, 8)).toEqual(log[7])
  expect(await events.find(runId, 9)).toEqual(log[8])
  expect(await events.find(runId, log.length + 1)).toBeNull()
  expect(await events.find('r-none', 1)).toBeNull()
  // Nothing is stored twice.
  expect(await database.prisma.event.count({ where: { runId } })).toBe(log.length - 30)
  expect(await database.prisma.stepMetrics.count({ where: { runId } })).toBe(30)
})

test('a spike and a loss that is not finite stay visible among thousands of steps, each as it was', async () => {
  const losses = Array.from({ length: 4000 }, (_, index) => 2 - index / 4000) as (number | null)[]
  losses[1700] = 99
  losses[2900] = null
  losses[3300] = 0.001
  const { runId } = await store([{ startStep: 0, losses, otherEvery: 50 }], [1000])
  const series = createStepMetricsStore(database)
  const found = (await series.listSeries([runId], { ...everything, maxPoints: 20 })).get(runId)
  expect(found?.steps).toBe(4000)
  const shown = new Map(found?.points.map((point) => [point.step, point]))
  expect(shown.size).toBeLessThanOrEqual(20)
  expect(shown.get(1701)).toMatchObject({ loss: 99, nonFinite: false, learningRate: 1 / 1701, attempt: 1 })
  expect(shown.get(2901)).toMatchObject({ loss: null, nonFinite: true, epoch: 291, imagesPerSecond: 1000 / 3 + 2900 })
  expect(shown.get(3301)).toMatchObject({ loss: 0.001, superseded: false })
  expect([...shown.keys()].at(-1)).toBe(4000)
})

test('what a later attempt trains anew stays and is flagged, and is shown where it is asked for', async () => {
  const turn = (startStep: number, steps: number): Turn => {
    return { startStep, losses: new Array<number>(steps).fill(startStep), otherEvery: 1000 }
  }
  const { runId } = await store([turn(0, 10), turn(4, 3), turn(2, 2)], [100])
  const series = createStepMetricsStore(database)
  const shown = async (request: Partial<StepSeriesRequest>): Promise<string[]> => {
    const found = (await series.listSeries([runId], { ...everything, ...request })).get(runId)
    return (found?.points ?? []).map((point) => `${point.attempt}:${point.step}${point.superseded ? ' old' : ''}`)
  }
  expect(await shown({})).toEqual(['1:1', '1:2', '3:3', '3:4'])
  const first = ['1:1', '1:2', ...[3, 4, 5, 6, 7, 8, 9, 10].map((number) => `1:${number} old`)]
  const second = ['2:5 old', '2:6 old', '2:7 old']
  expect(await shown({ includeSuperseded: true })).toEqual([...first, ...second, '3:3', '3:4'])
  expect(await shown({ includeSuperseded: true, attempt: 2 })).toEqual(second)
  expect(await shown({ attempt: 2 })).toEqual([])
  expect(await shown({ includeSuperseded: true, fromStep: 4, toStep: 5 })).toEqual([
    '1:4 old',
    '1:5 old',
    '2:5 old',
    '3:4',
  ])
})

test('runs are listed by what they are, newest first, and counted alike', async () => {
  const runStore = createRunStore(database)
  const insert = async (runId: string, spec: Partial<RunSpec>, createdAt: string): Promise<void> => {
    await runStore.insert({ ...storySpec(runId), ...spec }, new Date(createdAt))
  }
  await insert('s-1', { name: 'Baseline 100%', dataset: 'cifar-10' }, '2026-02-01T00:00:00.000Z')
  await insert('s-2', { name: 'baseline_2', dataset: 'cifar-10' }, '2026-02-02T00:00:00.000Z')
  await insert('s-3', { model: { architecture: 'RESNET50' }, dataset: 'cifar-10' }, '2026-02-03T00:00:00.000Z')
  const list = async (filter: Partial<RunFilter>): Promise<string[]> => {
    const whole = { ...everyRun, dataset: 'cifar-10', ...filter }
    const rows = await runStore.page({ limit: 10, from: 'front', after: null, before: null }, whole)
    expect(await runStore.count(whole)).toBe(rows.length)
    return rows.map(({ id }) => id)
  }
  expect(await list({})).toEqual(['s-3', 's-2', 's-1'])
  expect(await list({ name: 'BASE' })).toEqual(['s-2', 's-1'])
  expect(await list({ name: '0%' })).toEqual(['s-1'])
  expect(await list({ name: 'e_' })).toEqual(['s-2'])
  expect(await list({ name: 'e%' })).toEqual([])
  expect(await list({ architecture: 'RESNET50' })).toEqual(['s-3'])
  const from = new Date('2026-02-02T00:00:00.000Z')
  expect(await list({ createdFrom: from })).toEqual(['s-3', 's-2'])
  expect(await list({ createdBefore: from })).toEqual(['s-1'])
  expect(await list({ states: ['FAILED'] })).toEqual([])
  expect(await list({ device: 'cpu:0' })).toEqual([])
  const { runId } = await store([{ startStep: 0, losses: [1], otherEvery: 9 }], [10])
  expect(await list({ dataset: null, device: `${runId}:1` })).toEqual([runId])
  await insert('s-4', { forkedFrom: { runId: 's-1', checkpoint: null } }, '2026-02-04T00:00:00.000Z')
  expect(await list({ dataset: null, forkedFrom: 's-1' })).toEqual(['s-4'])
})

test('a database of the version before keeps every step at its place', async () => {
  const folder = await makeFolder()
  await putTemplate(folder, { log: silentLog })
  const client = await PGlite.create(folder)
  try {
    await client.exec('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    const migrations = await readMigrations()
    const own = migrations.findIndex(({ name }) => name.endsWith('_step_metrics'))
    for (const { sql } of migrations.slice(0, own)) await client.exec(sql)
    const losses = Array.from({ length: 300 }, (_, index) => (index === 130 ? null : 1 / (index + 3)))
    const log = storyOf('r-old', [{ startStep: 0, losses, otherEvery: 7 }])
    await client.query(
      `INSERT INTO "Run" ("id", "state", "architecture", "dataset", "epochs", "globalBatch", "shards", "engineChoice",
        "learningRate", "seed", "spec", "lastCursor", "createdAt")
      VALUES ('r-old', 'RUNNING', 'RESNET18', 'shapes', 1, 1, 1, 'AUTO', 0.1, 0, '{}', $1, now())`,
      [log.length],
    )
    await client.query(
      `INSERT INTO "Event" ("runId", "cursor", "attempt", "seq", "type", "at", "payload")
      SELECT 'r-old', place, (event->>'attempt')::integer, (event->>'seq')::integer, event->>'type',
        (event->>'at')::timestamptz, event
      FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS one(event, place)`,
      [JSON.stringify(log)],
    )
    await client.exec(migrations[own]?.sql ?? '')
    const steps = await client.query<Record<string, unknown>>('SELECT * FROM "StepMetrics" ORDER BY "cursor"')
    const expected = log.flatMap((event, index) => (event.type === 'step' ? [{ ...event, cursor: index + 1 }] : []))
    expect(
      steps.rows.map(({ runId, at, ...row }) => ({ ...row, run: runId, type: 'step', at: (at as Date).toISOString() })),
    ).toEqual(expected)
    const events = await client.query<{ cursor: number; payload: unknown }>('SELECT * FROM "Event" ORDER BY "cursor"')
    expect(events.rows.map(({ cursor, payload }) => ({ cursor, payload }))).toEqual(
      log.flatMap((event, index) => (event.type === 'step' ? [] : [{ cursor: index + 1, payload: event }])),
    )
    // Blocks as they are when the same events are stored now.
    const { runId } = await store([{ startStep: 0, losses, otherEvery: 7 }], [50])
    const blocks = await client.query<Record<string, unknown>>('SELECT * FROM "StepBlock" ORDER BY "block"')
    const fresh = await database.prisma.stepBlock.findMany({ where: { runId }, orderBy: { block: 'asc' } })
    expect(blocks.rows).toEqual(fresh.map((block) => ({ ...block, runId: 'r-old' })))
    expect(fresh.map(({ block, nonFiniteCursor }) => [block, nonFiniteCursor])).toEqual([
      [0, null],
      [1, log.findIndex((event) => event.type === 'step' && event.nonFinite) + 1],
    ])
  } finally {
    await client.close()
    await removeFolder(folder)
  }
})
