// `bench -- queries`: the rows that it fills a database with are those that a server stores of the same events, and a small
// one gives every figure.
import { mkdtempSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fillDatabase } from '../../bench/queries/fill.ts'
import { openPlace } from '../../bench/queries/place.ts'
import { summarise } from '../../bench/queries/plans.ts'
import { populate, type PopulatedRun } from '../../bench/queries/population.ts'
import { questionNames } from '../../bench/queries/questions.ts'
import type { Result } from '../../bench/result.ts'
import { type Database, type OpenDatabase, openDatabase } from '../../src/server/database/database.ts'
import { silentLog } from '../../src/server/log.ts'
import { createRunEventStore } from '../../src/server/runs/run-event.store.ts'
import { emptyProjection, projectEvents, type RunProjection } from '../../src/server/runs/run.projection.ts'
import type { StoredEvent } from '../../src/server/runs/run.record.ts'
import { createRunStore } from '../../src/server/runs/run.store.ts'
import type { RunEvent } from '../../src/shared/events.ts'
import { bench } from './bench-command.ts'

const sizes = { runs: 120, steps: 60_000 }
let folder: string
let runs: PopulatedRun[]
let database: OpenDatabase

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'trainql-queries-test-'))
  runs = populate(sizes, new Date('2026-06-01T00:00:00.000Z'))
  await fillDatabase({ folder: join(folder, 'db'), url: null }, runs, () => undefined)
  database = await openDatabase({ folder: join(folder, 'db'), url: null, log: silentLog })
}, 60_000)
afterAll(async () => {
  await database.close()
  await rm(folder, { recursive: true, force: true })
})

/** All that the database has of a run; what its policy has removed is in no event here. */
async function rowsOf({ prisma }: Database, runId: string) {
  const where = { runId }
  const checkpoints = await prisma.checkpoint.findMany({ where, orderBy: { cursor: 'asc' } })
  return {
    run: await prisma.run.findUniqueOrThrow({ where: { id: runId } }),
    attempts: await prisma.attempt.findMany({ where, orderBy: { number: 'asc' } }),
    events: await prisma.event.findMany({ where, orderBy: { cursor: 'asc' } }),
    steps: await prisma.stepMetrics.findMany({ where, orderBy: { cursor: 'asc' } }),
    blocks: await prisma.stepBlock.findMany({ where, orderBy: [{ block: 'asc' }, { attempt: 'asc' }] }),
    epochs: await prisma.epochMetrics.findMany({ where, orderBy: [{ attempt: 'asc' }, { epoch: 'asc' }] }),
    checkpoints: checkpoints.map(({ deletedAt: _, ...checkpoint }) => checkpoint),
    leases: await prisma.lease.findMany({ where }),
  }
}

/** A device is leased once at a time, and so once in a batch. */
function byAttempt(events: readonly StoredEvent[]): RunEvent[][] {
  const batches: RunEvent[][] = [[]]
  for (const { event } of events) {
    if (event.type === 'leased') batches.push([])
    batches.at(-1)?.push(event)
  }
  return batches
}

test('a filled run is the one that a server makes of its events, whatever its end', async () => {
  const longest = runs.reduce((best, run) => (run.course.steps > best.course.steps ? run : best))
  const retried = runs.find(({ course }) => course.attempts.length > 1)
  const ofState = ['SUCCEEDED', 'FAILED', 'CANCELED', 'PAUSED', 'QUEUED'].map((state) =>
    runs.find(({ projected }) => projected.run.state === state),
  )
  const store = createRunStore(database)
  for (const run of [longest, retried, ...ofState]) {
    if (run === undefined) throw new Error('the population lacks a kind of run')
    const { runId } = run.spec
    const filled = await rowsOf(database, runId)
    const events = await createRunEventStore(database).listAfter(runId, 0, 1_000_000)
    await store.delete(runId)
    await store.insert(run.spec, run.createdAt)
    let projection: RunProjection = { ...emptyProjection, architecture: run.spec.model.architecture }
    for (const attempt of byAttempt(events)) {
      const batch = projectEvents(projection, attempt)
      await store.apply(runId, batch, [])
      projection = batch.run
    }
    const made = await rowsOf(database, runId)
    // The newest loss of a filled run is one for all.
    expect({
      ...filled,
      run: { ...filled.run, loss: made.run.loss, imagesPerSecond: made.run.imagesPerSecond },
    }).toEqual(made)
    expect(events.map(({ cursor }) => cursor)).toEqual(events.map((_, index) => index + 1))
  }
})

test('the population has its sizes: a tenth of the steps are one run’s', () => {
  const steps = runs.map(({ course }) => course.attempts.reduce((sum, attempt) => sum + attempt.steps, 0))
  expect(Math.max(...steps)).toBe(sizes.steps / 10)
  expect(runs).toHaveLength(sizes.runs)
  expect(populate(sizes, new Date('2026-06-01T00:00:00.000Z')).map(({ spec }) => spec)).toEqual(
    runs.map(({ spec }) => spec),
  )
})

test('a plan is told in a line, and a large table that is read whole is named', () => {
  const scan = { 'Node Type': 'Seq Scan', 'Relation Name': 'Run', 'Actual Rows': 3, 'Actual Loops': 1 }
  const index = { ...scan, 'Node Type': 'Index Scan', 'Index Name': 'Run_pkey', 'Scan Direction': 'Backward' }
  const top = {
    'Node Type': 'Limit',
    'Actual Rows': 2,
    'Actual Loops': 1,
    'Shared Hit Blocks': 5,
    'Shared Read Blocks': 1,
  }
  const explained = (plan: object) =>
    [{ Plan: { ...top, Plans: [plan] }, 'Execution Time': 1.5 }] as Parameters<typeof summarise>[0]
  const tables = new Map([['Run', 10_000]])
  expect(summarise(explained(scan), tables)).toEqual({
    ...{ node: 'Limit', access: ['Seq Scan Run'], rows: 2, blocks: 6, milliseconds: 1.5, wholeTables: ['Run'] },
  })
  expect(summarise(explained(scan), new Map([['Run', 10]])).wholeTables).toEqual([])
  expect(summarise(explained({ ...scan, 'Actual Loops': 0 }), tables).wholeTables).toEqual([])
  expect(summarise(explained(index), tables)).toMatchObject({
    access: ['Index Scan Run_pkey backward'],
    wholeTables: [],
  })
})

test('a small database gives a figure and the plans of every question, and is found again where it is kept', async () => {
  const small = { runs: 150, steps: 50_000 }
  const asked = ['--rows', '^embedded-(?!start)', '--runs', '150', '--steps', '50000', '--asks', '1', '--keep', folder]
  const { code, stdout, stderr } = await bench(['queries', ...asked, '--json'])
  expect(stderr).not.toContain('Error')
  expect(code).toBe(0)
  const { rows } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result
  const measured = rows.flatMap((row) => (row.status === 'measured' ? [row] : []))
  expect(measured).toHaveLength(1 + questionNames.length)
  expect(measured.slice(1).filter(({ parts = [] }) => parts.length === 0)).toEqual([])
  const chart = measured.find(({ name }) => name === 'embedded-chart-longest-1000')
  expect(chart?.parts?.map(({ statement }) => statement)).toEqual(['Run'])
  expect(chart?.parts?.[0]?.['access']).toContain('StepMetrics_pkey')

  const found = await openPlace({ kind: 'embedded', sizes: small, keep: folder, note: () => undefined })
  await found.close()
  expect(found.fillSeconds).toBeNull()
  const ids = await readdir(join(found.home, 'runs'))
  expect(found.runs.map(({ spec }) => spec.runId)).toEqual(ids.sort())
}, 180_000)
