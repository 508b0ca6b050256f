// The quick way to store steps, which are nearly all events there are: those of any number of runs, with all they change,
// in one statement. What else events may change goes the way of `run.store.ts`, and steps could too.
import type { Database } from '../database/database.ts'
import type { Prisma } from '../prisma-client/client.ts'
import type { ProjectedBatch, RunProjection } from './run.projection.ts'
import type { RunChange } from './run.store.ts'

/** Columns of a run that steps change. */
const stepColumns: ReadonlySet<keyof RunProjection> = new Set([
  'epoch',
  'step',
  'loss',
  'imagesPerSecond',
  'lastCursor',
])

/** Whether a batch is all steps, and changed nothing but what steps change. */
export function isOfSteps({ events, changed }: ProjectedBatch): boolean {
  return events.every(({ event }) => event.type === 'step') && changed.every((column) => stepColumns.has(column))
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
  const events = changes.flatMap(({ runId, batch }) =>
    batch.events.map(({ cursor, event }) => ({
      runId,
      cursor,
      attempt: event.attempt,
      seq: event.seq,
      at: event.at,
      payload: event,
    })),
  )
  const positions = changes.flatMap(({ runId, positions: own }) => own.map((position) => ({ runId, ...position })))
  return prisma.$queryRaw`
    WITH moved AS (
      UPDATE "Run" AS run
      SET "epoch" = new."epoch", "step" = new."step", "loss" = new."loss",
        "imagesPerSecond" = new."imagesPerSecond", "lastCursor" = new."lastCursor"
      FROM jsonb_to_recordset(${JSON.stringify(runs)}::jsonb) AS new(
        "runId" text, "epoch" integer, "step" integer, "loss" double precision,
        "imagesPerSecond" double precision, "lastCursor" integer, "before" integer)
      WHERE run."id" = new."runId" AND run."lastCursor" = new."before"
      RETURNING run."id"
    ), positions AS (
      INSERT INTO "EventLog" ("runId", "attempt", "seq", "offset")
      SELECT "runId", "attempt", "seq", "offset"
      FROM jsonb_to_recordset(${JSON.stringify(positions)}::jsonb) AS new(
        "runId" text, "attempt" integer, "seq" integer, "offset" bigint)
      ON CONFLICT ("runId", "attempt") DO UPDATE SET "seq" = excluded."seq", "offset" = excluded."offset"
    ), events AS (
      INSERT INTO "Event" ("runId", "cursor", "attempt", "seq", "type", "at", "payload")
      SELECT "runId", "cursor", "attempt", "seq", 'step', "at", "payload"
      FROM jsonb_to_recordset(${JSON.stringify(events)}::jsonb) AS new(
        "runId" text, "cursor" integer, "attempt" integer, "seq" integer, "at" timestamptz, "payload" jsonb)
    )
    SELECT set_config('synchronous_commit', 'off', true),
      CASE WHEN count(*) = ${runs.length} THEN '0' ELSE 'a run has other events by now' END::integer
    FROM moved`
}
