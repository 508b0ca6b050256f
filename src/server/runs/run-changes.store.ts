// Writes what batches of events change, of any number of runs by the same few statements: a statement costs more than a
// thousand rows do. Rows go as JSON, whose numbers stay whole, where Prisma rounds them to 16 digits.
import type { Database } from '../database/database.ts'
import { Prisma } from '../prisma-client/client.ts'
import { storeEpochs } from './run-epochs.store.ts'
import { isStep, storeStepRows } from './run-steps.store.ts'
import type { LogPosition, RunChange } from './run.store.ts'

type Write = Prisma.PrismaPromise<unknown>
type Client = Database['prisma']

/**
 * In order, for one transaction; no run is there twice. It fails where a run's newest event is not the one before its batch.
 */
export function storeChanges(prisma: Client, changes: readonly RunChange[]): Write[] {
  const of = <T extends object>(rowsOf: (change: RunChange) => readonly T[]): (T & { runId: string })[] =>
    changes.flatMap((change) => rowsOf(change).map((row) => ({ runId: change.runId, ...row })))
  const leased = of(({ batch }) => batch.attemptsLeased)
  const started = of(({ batch }) => batch.attemptsStarted)
  const released = of(({ batch }) => batch.attemptsReleased)
  const epochs = changes.flatMap(({ batch }) => batch.epochMetrics)
  const steps = storeStepRows(prisma, changes)
  const leases = leased.flatMap(({ isHeld, deviceNames, runId, number, leasedAt }) =>
    isHeld ? deviceNames.map((deviceName) => ({ deviceName, runId, attempt: number, leasedAt })) : [],
  )
  return [
    moveRuns(prisma, changes),
    ...unlessEmpty(changes.flatMap(eventRows), (rows) => insertEvents(prisma, rows)),
    storePositions(
      prisma,
      of(({ positions }) => positions),
    ),
    ...unlessEmpty(leased, (rows) => insertAttempts(prisma, rows)),
    ...unlessEmpty(started, (rows) => startAttempts(prisma, rows)),
    ...unlessEmpty(released, (rows) => releaseAttempts(prisma, rows)),
    ...(steps === null ? [] : [steps]),
    ...(epochs.length === 0 ? [] : [storeEpochs(prisma, epochs)]),
    ...unlessEmpty(changes.flatMap(checkpointRows), (rows) => insertCheckpoints(prisma, rows)),
    ...unlessEmpty(changes.flatMap(checkpointChangeRows), (rows) => changeCheckpoints(prisma, rows)),
    // What an attempt starts anew supersedes what was measured of those steps before.
    ...unlessEmpty(started, (rows) => supersedeEpochs(prisma, rows)),
    // What one attempt gives back the next one of the same batch may have.
    ...unlessEmpty(released, (rows) => deleteLeases(prisma, rows)),
    ...(leases.length === 0 ? [] : [prisma.lease.createMany({ data: leases })]),
  ]
}

function unlessEmpty(rows: readonly object[], write: (rows: string) => Write): Write[] {
  return rows.length === 0 ? [] : [write(JSON.stringify(rows))]
}

function moveRuns(prisma: Client, changes: readonly RunChange[]): Write {
  const rows = changes.map(({ runId, batch: { run, events } }) => {
    const { failure, parameters, ...columns } = run
    return {
      ...{ ...columns, runId, before: run.lastCursor - events.length },
      parameters: parameters === null ? null : String(parameters),
      failureCode: failure?.code ?? null,
      failureMessage: failure?.message ?? null,
      failureFix: failure?.fix ?? null,
      failureStep: failure?.step ?? null,
      failureNonFinite: failure?.nonFinite ?? false,
    }
  })
  return prisma.$queryRaw`
    WITH moved AS (
      UPDATE "Run" AS run
      SET "state" = new."state"::"RunState", "pauseReason" = new."pauseReason"::"PauseReason", ${runAssignments}
      FROM json_to_recordset(${JSON.stringify(rows)}::json)
        AS new("runId" text, "before" integer, "state" text, "pauseReason" text, ${runDefinitions})
      WHERE run."id" = new."runId" AND run."lastCursor" = new."before"
      RETURNING run."id"
    )
    SELECT CASE WHEN count(*) = ${rows.length} THEN '0' ELSE 'a run has other events by now' END::integer FROM moved`
}

/** Of a run's row, what its events make, but for its enums. */
const runColumns = {
  integer: [
    ...['attempt', 'inputChannels', 'stepsPerEpoch', 'epoch', 'step', 'failureStep'],
    ...['priority', 'version', 'tries', 'startedAttempt', 'lastCursor'],
  ],
  bigint: ['parameters'],
  'double precision': ['loss', 'imagesPerSecond'],
  boolean: ['failureNonFinite'],
  text: ['engine', 'engineDetail', 'resumeFrom', 'failureCode', 'failureMessage', 'failureFix'],
  'text[]': ['deviceNames', 'classNames'],
  jsonb: ['loadReport', 'resumeDevices', 'stall', 'plan'],
  timestamptz: ['stateSince', 'notBefore', 'waitingSince', 'backfilledUntil', 'startedAt', 'finishedAt'],
}
const runAssignments = Prisma.raw(
  Object.values(runColumns)
    .flat()
    .map((column) => `"${column}" = new."${column}"`)
    .join(', '),
)
const runDefinitions = Prisma.raw(
  Object.entries(runColumns)
    .flatMap(([type, columns]) => columns.map((column) => `"${column}" ${type}`))
    .join(', '),
)

function eventRows({ runId, batch }: RunChange): object[] {
  return batch.events.flatMap((stored) => {
    if (isStep(stored)) return []
    const { cursor, event } = stored
    const { attempt, seq, type, at } = event
    return [{ runId, cursor, attempt, seq, type, at, payload: event }]
  })
}

function insertEvents(prisma: Client, rows: string): Write {
  return prisma.$executeRaw`
    INSERT INTO "Event" ("runId", "cursor", "attempt", "seq", "type", "at", "payload")
    SELECT "runId", "cursor", "attempt", "seq", "type", "at", "payload"
    FROM json_to_recordset(${rows}::json) AS new("runId" text, "cursor" integer, "attempt" integer, "seq" integer,
      "type" text, "at" timestamptz, "payload" jsonb)`
}

function storePositions(prisma: Client, positions: readonly (LogPosition & { runId: string })[]): Write {
  return prisma.$executeRaw`
    INSERT INTO "EventLog" ("runId", "attempt", "seq", "part", "offset")
    SELECT "runId", "attempt", "seq", "part", "offset"
    FROM json_to_recordset(${JSON.stringify(positions)}::json) AS new(
      "runId" text, "attempt" integer, "seq" integer, "part" integer, "offset" bigint)
    ON CONFLICT ("runId", "attempt")
    DO UPDATE SET "seq" = excluded."seq", "part" = excluded."part", "offset" = excluded."offset"`
}

function insertAttempts(prisma: Client, leased: string): Write {
  return prisma.$executeRaw`
    INSERT INTO "Attempt" ("runId", "number", "deviceNames", "leasedAt")
    SELECT "runId", "number", "deviceNames", "leasedAt"
    FROM json_to_recordset(${leased}::json) AS new(
      "runId" text, "number" integer, "deviceNames" text[], "leasedAt" timestamptz)`
}

function startAttempts(prisma: Client, started: string): Write {
  return prisma.$executeRaw`
    UPDATE "Attempt" AS attempt SET "startedAt" = new."at", "startStep" = new."startStep"
    FROM json_to_recordset(${started}::json) AS new(
      "runId" text, "number" integer, "at" timestamptz, "startStep" integer)
    WHERE attempt."runId" = new."runId" AND attempt."number" = new."number"`
}

function releaseAttempts(prisma: Client, released: string): Write {
  return prisma.$executeRaw`
    UPDATE "Attempt" AS attempt SET "releasedAt" = new."at", "fault" = new."fault"
    FROM json_to_recordset(${released}::json) AS new("runId" text, "number" integer, "at" timestamptz, "fault" text)
    WHERE attempt."runId" = new."runId" AND attempt."number" = new."number"`
}

function supersedeEpochs(prisma: Client, started: string): Write {
  return prisma.$executeRaw`
    UPDATE "EpochMetrics" AS epoch SET "superseded" = true
    FROM json_to_recordset(${started}::json) AS new("runId" text, "number" integer, "startStep" integer)
    WHERE epoch."runId" = new."runId" AND epoch."attempt" < new."number" AND epoch."step" > new."startStep"`
}

function deleteLeases(prisma: Client, released: string): Write {
  return prisma.$executeRaw`
    DELETE FROM "Lease" AS lease USING json_to_recordset(${released}::json) AS over("runId" text, "number" integer)
    WHERE lease."runId" = over."runId" AND lease."attempt" = over."number"`
}

function checkpointRows({ batch }: RunChange): object[] {
  return batch.checkpoints.map((checkpoint) => ({ ...checkpoint, bytes: String(checkpoint.bytes) }))
}

function insertCheckpoints(prisma: Client, rows: string): Write {
  return prisma.$executeRaw`
    INSERT INTO "Checkpoint" ("origin", ${checkpointColumns})
    SELECT "origin"::"CheckpointOrigin", ${checkpointColumns}
    FROM json_to_recordset(${rows}::json) AS new(
      "origin" text, "key" text, "runId" text, "name" text, "series" text, "cursor" integer, "attempt" integer,
      "epoch" integer, "step" integer, "bytes" bigint, "sha256" text, "architecture" text, "classes" integer,
      "inputChannels" integer, "hasOptimizer" boolean, "pinned" boolean, "parent" text, "createdAt" timestamptz)`
}

const checkpointColumns = Prisma.raw(
  [
    ...['key', 'runId', 'name', 'series', 'cursor', 'attempt', 'epoch', 'step', 'bytes', 'sha256', 'architecture'],
    ...['classes', 'inputChannels', 'hasOptimizer', 'pinned', 'parent', 'createdAt'],
  ]
    .map((column) => `"${column}"`)
    .join(', '),
)

interface CheckpointChangeRow {
  runId: string
  name: string
  pinned: boolean
  /** Null: it is not deleted by these changes. */
  deletedAt: Date | null
}

/** Of each checkpoint, what its changes come to. */
function checkpointChangeRows({ runId, batch }: RunChange): CheckpointChangeRow[] {
  const rows = new Map<string, CheckpointChangeRow>()
  for (const change of batch.checkpointChanges) {
    const { name } = change
    const deletedAt = change.kind === 'DELETED' ? change.at : (rows.get(name)?.deletedAt ?? null)
    rows.set(name, { runId, name, pinned: change.kind === 'PINNED' && change.pinned, deletedAt })
  }
  return [...rows.values()]
}

function changeCheckpoints(prisma: Client, rows: string): Write {
  return prisma.$executeRaw`
    UPDATE "Checkpoint" AS checkpoint
    SET "pinned" = new."pinned", "deletedAt" = COALESCE(new."deletedAt", checkpoint."deletedAt")
    FROM json_to_recordset(${rows}::json) AS new("runId" text, "name" text, "pinned" boolean, "deletedAt" timestamptz)
    WHERE checkpoint."runId" = new."runId" AND checkpoint."name" = new."name"`
}
