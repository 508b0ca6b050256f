// Writes steps, which are nearly all events there are. The quick way takes those of any number of runs, with all they
// change, in one statement; in a transaction with other events they go the way of `run.store.ts`, to the same rows.
import type { RunEvent } from '../../shared/events.ts'
import type { Database } from '../database/database.ts'
import { blockEvents, wholeBlocks } from '../metrics/step-block.ts'
import { Prisma } from '../prisma-client/client.ts'
import type { ProjectedBatch, RunProjection } from './run.projection.ts'
import type { StoredEvent } from './run.record.ts'
import type { RunChange } from './run.store.ts'

/** Columns of a run that steps change. */
const stepColumns: ReadonlySet<keyof RunProjection> = new Set([
  'epoch',
  'step',
  'loss',
  'imagesPerSecond',
  'lastCursor',
])

export type StoredStep = StoredEvent & { event: Extract<RunEvent, { type: 'step' }> }

export function isStep(stored: StoredEvent): stored is StoredStep {
  return stored.event.type === 'step'
}

/** Whether a batch is all steps, and changed nothing but what steps change. */
export function isOfSteps({ events, changed }: ProjectedBatch): boolean {
  return events.every(isStep) && changed.every((column) => stepColumns.has(column))
}

/**
 * One statement, and so whole or not at all. It fails where a run's newest event is not the one before its batch.
 *
 * A server of PostgreSQL need not have it on its disk before it goes on: after a crash it has forgotten the newest steps
 * together with the position up to which they were taken over, and they are read from the run's directory again, with the
 * same cursors.
 */
export function storeSteps(prisma: Database['prisma'], changes: readonly RunChange[]): Prisma.PrismaPromise<unknown> {
  const runs = changes.map(({ runId, batch: { run, events } }) => {
    const { epoch, step, loss, imagesPerSecond, lastCursor } = run
    return { runId, epoch, step, loss, imagesPerSecond, lastCursor, before: lastCursor - events.length }
  })
  const positions = changes.flatMap(({ runId, positions: own }) => own.map((position) => ({ runId, ...position })))
  return prisma.$queryRaw`
    WITH moved AS (
      UPDATE "Run" AS run
      SET "epoch" = new."epoch", "step" = new."step", "loss" = new."loss",
        "imagesPerSecond" = new."imagesPerSecond", "lastCursor" = new."lastCursor"
      FROM json_to_recordset(${JSON.stringify(runs)}::json) AS new(
        "runId" text, "epoch" integer, "step" integer, "loss" double precision,
        "imagesPerSecond" double precision, "lastCursor" integer, "before" integer)
      WHERE run."id" = new."runId" AND run."lastCursor" = new."before"
      RETURNING run."id"
    ), positions AS (
      INSERT INTO "EventLog" ("runId", "attempt", "seq", "part", "offset")
      SELECT "runId", "attempt", "seq", "part", "offset"
      FROM json_to_recordset(${JSON.stringify(positions)}::json) AS new(
        "runId" text, "attempt" integer, "seq" integer, "part" integer, "offset" bigint)
      ON CONFLICT ("runId", "attempt")
      DO UPDATE SET "seq" = excluded."seq", "part" = excluded."part", "offset" = excluded."offset"
    ), ${stepRows(changes)}
    SELECT set_config('synchronous_commit', 'off', true),
      CASE WHEN count(*) = ${runs.length} THEN '0' ELSE 'a run has other events by now' END::integer
    FROM moved`
}

/** The steps among the events of batches, and the blocks that these events make whole; null where there are none. */
export function storeStepRows(
  prisma: Database['prisma'],
  changes: readonly RunChange[],
): Prisma.PrismaPromise<unknown> | null {
  const withSteps = changes.filter(({ batch: { events, run } }) => {
    return events.some(isStep) || wholeBlocks(run.lastCursor - events.length, run.lastCursor) !== null
  })
  return withSteps.length === 0 ? null : prisma.$executeRaw`WITH ${stepRows(withSteps)} SELECT`
}

function stepRow(runId: string, { cursor, event }: StoredStep) {
  const { attempt, seq, epoch, step, at, loss, nonFinite, learningRate, imagesPerSecond } = event
  return { runId, cursor, attempt, seq, epoch, step, at, loss, nonFinite, learningRate, imagesPerSecond }
}

/**
 * The tables `steps` and `blocks` of a WITH clause, which write. Rows go as `json`, whose numbers are read once, where those
 * of `jsonb` are read, converted, and printed to be read again.
 */
function stepRows(changes: readonly RunChange[]): Prisma.Sql {
  const steps = changes.flatMap(({ runId, batch }) =>
    batch.events.filter(isStep).map((stored) => stepRow(runId, stored)),
  )
  const whole = changes.flatMap(({ runId, batch: { run, events } }) => {
    const blocks = wholeBlocks(run.lastCursor - events.length, run.lastCursor)
    return blocks === null ? [] : [{ runId, ...blocks }]
  })
  const insertSteps = Prisma.sql`steps AS (
      INSERT INTO "StepMetrics" (${stepMetricsColumns})
      SELECT ${stepMetricsColumns}
      FROM json_to_recordset(${JSON.stringify(steps)}::json) AS new(
        "runId" text, "cursor" integer, "attempt" integer, "seq" integer, "epoch" integer, "step" integer,
        "at" timestamptz, "loss" double precision, "nonFinite" boolean, "learningRate" double precision,
        "imagesPerSecond" double precision)
      RETURNING ${stepMetricsColumns}
    )`
  if (whole.length === 0) return insertSteps
  // A statement does not see the rows that it writes: those of the table are the ones from before.
  return Prisma.sql`${insertSteps}, blocks AS (
      INSERT INTO "StepBlock" ("runId", "block", "attempt", "steps", "firstStep", "lastStep", "minLoss", "maxLoss",
        "minCursor", "maxCursor", "lastCursor", "nonFiniteCursor")
      SELECT step."runId", (step."cursor" - 1) / ${blockEvents}::integer, step."attempt", count(*),
        min(step."step"), max(step."step"), min(step."loss"), max(step."loss"),
        (min(ARRAY[step."loss", step."cursor"]) FILTER (WHERE step."loss" IS NOT NULL))[2]::integer,
        -(max(ARRAY[step."loss", -step."cursor"]) FILTER (WHERE step."loss" IS NOT NULL))[2]::integer,
        max(step."cursor"), min(step."cursor") FILTER (WHERE step."nonFinite")
      FROM json_to_recordset(${JSON.stringify(whole)}::json) AS whole("runId" text, "from" integer, "upTo" integer)
      JOIN (
        SELECT ${stepMetricsColumns} FROM steps UNION ALL SELECT ${stepMetricsColumns} FROM "StepMetrics"
      ) AS step ON step."runId" = whole."runId" AND step."cursor" BETWEEN whole."from" AND whole."upTo"
      GROUP BY 1, 2, 3
    )`
}

const stepMetricsColumns = Prisma.raw(
  [
    ...['runId', 'cursor', 'attempt', 'seq', 'epoch', 'step', 'at', 'loss', 'nonFinite'],
    ...['learningRate', 'imagesPerSecond'],
  ]
    .map((column) => `"${column}"`)
    .join(', '),
)
