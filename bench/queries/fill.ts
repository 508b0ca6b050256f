// Fills a database in bulk: the millions of rows are made by the database itself, into tables without keys, which are built
// once all rows are there. What comes of it is what the server would have stored, event by event.
import pg from 'pg'
import { openDatabase } from '../../src/server/database/database.ts'
import { startPglite } from '../../src/server/database/pglite.ts'
import { silentLog } from '../../src/server/log.ts'
import { blockEvents } from '../../src/server/metrics/step-block.ts'
import { classCount, secondsPerStep } from './course.ts'
import { deviceCount, type PopulatedRun } from './population.ts'
import { serverLog } from './directories.ts'

export interface FillTarget {
  /** Of the embedded database. */
  folder: string
  /** A PostgreSQL server instead. */
  url: string | null
}

const runsAtOnce = 500
const stepsAtOnce = 500_000

/** Migrates the database, which must be empty, and fills it. */
export async function fillDatabase(
  target: FillTarget,
  runs: readonly PopulatedRun[],
  note: (line: string) => void,
): Promise<void> {
  await (await openDatabase({ ...target, log: silentLog })).close()
  const { client, close } = await connect(target)
  const timed = async (what: string, work: () => Promise<unknown>): Promise<void> => {
    const begun = performance.now()
    await work()
    note(`  ${what}: ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  }
  try {
    await client.query(`SET maintenance_work_mem = '256MB'; SET synchronous_commit = off; ${dropKeys}`)
    await timed('runs', () => insertRuns(client, runs))
    await client.query(createTurns)
    await timed('steps', () => insertSteps(client, runs))
    await timed('epochs, checkpoints and events', async () => {
      for (const statement of ofEpochs) await client.query(statement)
    })
    await timed('keys', async () => {
      for (const statement of addKeys) await client.query(statement)
    })
    await timed('blocks of steps', () => client.query(insertBlocks))
    await timed('statistics', () => client.query('VACUUM ANALYZE'))
  } finally {
    await close()
  }
}

async function connect({ folder, url }: FillTarget): Promise<{ client: pg.Client; close: () => Promise<void> }> {
  const pglite = url === null ? await startPglite(folder, { log: silentLog }) : null
  const client =
    pglite === null
      ? new pg.Client({ connectionString: url ?? '' })
      : new pg.Client({ user: 'postgres', database: 'postgres', stream: () => pglite.connect() })
  await client.connect()
  return {
    client,
    async close() {
      await client.end()
      await pglite?.close()
    },
  }
}

/** Keys of the large tables. */
const keys = [
  { table: 'StepMetrics', columns: ['runId', 'cursor'] },
  { table: 'Event', columns: ['runId', 'cursor'] },
  { table: 'EpochMetrics', columns: ['runId', 'attempt', 'epoch'] },
] as const
const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ')
const dropKeys = keys
  .map(({ table }) => `ALTER TABLE "${table}" DROP CONSTRAINT "${table}_pkey", DROP CONSTRAINT "${table}_runId_fkey"`)
  .join('; ')
const addKeys = keys.flatMap(({ table, columns }) => [
  `ALTER TABLE "${table}" ADD CONSTRAINT "${table}_pkey" PRIMARY KEY (${quoted(columns)})`,
  `ALTER TABLE "${table}" ADD CONSTRAINT "${table}_runId_fkey"
    FOREIGN KEY ("runId") REFERENCES "Run" ("id") ON DELETE CASCADE ON UPDATE CASCADE`,
])

async function insertRuns(client: pg.Client, runs: readonly PopulatedRun[]): Promise<void> {
  const devices = Array.from({ length: deviceCount }, (_, ordinal) => ({
    ...{ name: `cpu:${ordinal}`, kind: 'CPU', ordinal, model: 'none', cores: [0], memoryBytes: 0, present: true },
    // The queue waits for good.
    ...{ availability: 'DISABLED', availabilityReason: 'only queries are measured here' },
  }))
  await insert(client, 'Device', devices)
  for (let from = 0; from < runs.length; from += runsAtOnce) {
    const some = runs.slice(from, from + runsAtOnce)
    await insert(client, 'Run', some.map(runRow))
    await insert(client, 'Attempt', some.flatMap(attemptRows))
    await insert(client, 'EventLog', some.flatMap(logRows))
    await insert(
      client,
      'Event',
      some.flatMap(({ spec, events }) =>
        events.map(({ cursor, event }) => {
          const { attempt, seq, type, at } = event
          return { runId: spec.runId, cursor, attempt, seq, type, at, payload: event }
        }),
      ),
    )
  }
}

async function insert(client: pg.Client, table: string, rows: readonly object[]): Promise<void> {
  await client.query(`INSERT INTO "${table}" SELECT * FROM jsonb_populate_recordset(NULL::"${table}", $1::jsonb)`, [
    JSON.stringify(rows, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
  ])
}

function runRow({ spec, createdAt, projected }: PopulatedRun): object {
  const { failure, ...run } = projected.run
  return {
    ...run,
    ...{ id: spec.runId, name: spec.name, dataset: spec.dataset, epochs: spec.epochs, globalBatch: spec.globalBatch },
    ...{ shards: spec.shards, engineChoice: spec.engine, learningRate: spec.learningRate, seed: spec.seed, spec },
    ...{ forkedFrom: spec.forkedFrom?.runId ?? null, createdAt },
    ...{ failureCode: failure?.code, failureMessage: failure?.message, failureFix: failure?.fix },
    ...{ failureStep: failure?.step, failureNonFinite: failure?.nonFinite ?? false },
  }
}

function attemptRows({ spec, projected }: PopulatedRun): object[] {
  return projected.attemptsLeased.map(({ number, deviceNames, leasedAt }) => {
    const started = projected.attemptsStarted.find((other) => other.number === number)
    const released = projected.attemptsReleased.find((other) => other.number === number)
    const times = { leasedAt, startedAt: started?.at, releasedAt: released?.at }
    return { runId: spec.runId, number, deviceNames, startStep: started?.startStep, fault: null, ...times }
  })
}

/** All that there is has been taken over. */
function logRows(run: PopulatedRun): object[] {
  const last = new Map(run.events.map(({ event: { attempt, seq } }) => [attempt, seq]))
  return [...last].map(([attempt, seq]) => {
    const offset = attempt === 0 ? Buffer.byteLength(serverLog(run)) : 0
    return { runId: run.spec.runId, attempt, seq, part: 1, offset }
  })
}

/** A row an attempt: what the rows of its steps and epochs are made from. */
const createTurns = `
  CREATE TEMPORARY TABLE turn (
    "ordinal" integer, "runId" text, "architecture" text, "attempt" integer, "startStep" integer, "steps" integer,
    "ofSteps" integer, "stepsPerEpoch" integer, "startedCursor" integer, "startedAt" timestamptz, "learningRate" double precision,
    "keptTo" integer, "resumedFrom" text)`

async function insertSteps(client: pg.Client, runs: readonly PopulatedRun[]): Promise<void> {
  const turns = runs.flatMap(({ spec, course }) =>
    course.attempts.map((turn) => ({
      ...{ runId: spec.runId, architecture: spec.model.architecture, learningRate: spec.learningRate, ...turn },
      ...{ ofSteps: course.steps, stepsPerEpoch: course.stepsPerEpoch },
      keptTo: course.attempts.find((other) => other.attempt > turn.attempt)?.startStep ?? null,
    })),
  )
  let batch: object[] = []
  let steps = 0
  for (const [ordinal, turn] of turns.entries()) {
    batch.push({ ordinal, ...turn })
    steps += turn.steps
    if (steps < stepsAtOnce && ordinal < turns.length - 1) continue
    await insert(client, 'turn', batch)
    await client.query(stepsOfTurns, [ordinal - batch.length + 1, ordinal])
    batch = []
    steps = 0
  }
}

/** The cursor of the so-manieth step, of so many an epoch, behind `started`: two events stand behind each epoch before it. */
const placeOf = (step: string): string => `${step} + 2 * ((${step} - 1) / "stepsPerEpoch")`

/** A loss that falls, with noise and, once in a hundred thousand steps, none that is finite. */
const stepsOfTurns = `
  INSERT INTO "StepMetrics"
    ("at", "loss", "learningRate", "imagesPerSecond", "cursor", "attempt", "seq", "epoch", "step", "nonFinite", "runId")
  SELECT "startedAt" + step * interval '${secondsPerStep} seconds',
    CASE WHEN step % 99991 = 77 THEN NULL ELSE 2.3 * exp(-4.0 * ("startStep" + step) / "ofSteps") + 0.2 * random() END,
    "learningRate" * (1 + cos(pi() * ("startStep" + step) / "ofSteps")) / 2, 1000 + 50 * random(),
    "startedCursor" + ${placeOf('step')}, "attempt", 1 + ${placeOf('step')}, ("startStep" + step - 1) / "stepsPerEpoch" + 1,
    "startStep" + step, step % 99991 = 77, "runId"
  FROM turn CROSS JOIN LATERAL generate_series(1, "steps") AS step
  WHERE "ordinal" BETWEEN $1::integer AND $2::integer`

const epochsOfTurns = `
  FROM turn CROSS JOIN LATERAL generate_series(1, "steps" / "stepsPerEpoch") AS own
  CROSS JOIN LATERAL (
    SELECT "startStep" / "stepsPerEpoch" + own AS epoch, "startStep" + own * "stepsPerEpoch" AS step,
      own * ("stepsPerEpoch" + 2) AS place, "startedAt" + own * "stepsPerEpoch" * interval '${secondsPerStep} seconds' AS at,
      2.3 * exp(-4.0 * ("startStep" + own * "stepsPerEpoch") / "ofSteps") + 0.1 AS loss,
      "attempt" || '-' || lpad(("startStep" + own * "stepsPerEpoch")::text, 8, '0') AS name
  ) AS its`
const images = `array_fill(1000, ARRAY[${classCount}])`
const correct = `array_fill(1000 - (300 * exp(-4.0 * step / "ofSteps"))::integer, ARRAY[${classCount}])`
const confusion = `(SELECT array_agg(number) FROM generate_series(0, 59) AS part,
  LATERAL (SELECT CASE part % 3 WHEN 2 THEN 60 - part ELSE part * 7 % ${classCount} END AS number) AS one)`
const iso = `to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`
const accuracy = `1 - 0.3 * exp(-4.0 * step / "ofSteps")`

/** All but the last three checkpoints of a run have been removed, as its policy says. */
const ofEpochs = [
  `INSERT INTO "EpochMetrics" ("runId", "attempt", "epoch", "step", "trainLoss", "validationLoss", "accuracy", "top5Accuracy",
      "nonFinite", "imagesPerSecond", "learningRate", "userSeconds", "systemSeconds", "wallSeconds", "classImages",
      "classCorrect", "confusion", "superseded")
    SELECT "runId", "attempt", epoch, step, loss, loss + 0.05, ${accuracy}, 0.99, false, 1024, "learningRate", 20, 1, 25,
      ${images}, ${correct}, ${confusion}, COALESCE(step > "keptTo", false) ${epochsOfTurns}`,
  `INSERT INTO "Event" ("runId", "cursor", "attempt", "seq", "type", "at", "payload")
    SELECT "runId", "startedCursor" + place - 1, "attempt", place, 'epoch', at, jsonb_build_object('run', "runId",
      'attempt', "attempt", 'seq', place, 'at', ${iso}, 'type', 'epoch', 'epoch', epoch, 'step', step,
      'trainLoss', loss, 'validationLoss', loss + 0.05, 'accuracy', ${accuracy}, 'top5Accuracy', 0.99, 'nonFinite', false,
      'imagesPerSecond', 1024, 'learningRate', "learningRate", 'userSeconds', 20, 'systemSeconds', 1, 'wallSeconds', 25,
      'classImages', ${images}, 'classCorrect', ${correct}, 'confusion', ${confusion}) ${epochsOfTurns}`,
  `INSERT INTO "Event" ("runId", "cursor", "attempt", "seq", "type", "at", "payload")
    SELECT "runId", "startedCursor" + place, "attempt", place + 1, 'checkpoint', at, jsonb_build_object('run', "runId",
      'attempt', "attempt", 'seq', place + 1, 'at', ${iso}, 'type', 'checkpoint', 'name', name, 'epoch', epoch,
      'step', step, 'bytes', 44800000, 'sha256', repeat('ab', 32)) ${epochsOfTurns}`,
  `INSERT INTO "Checkpoint" ("key", "origin", "runId", "name", "series", "cursor", "attempt", "epoch", "step", "bytes", "sha256",
      "architecture", "classes", "inputChannels", "hasOptimizer", "parent", "createdAt", "deletedAt")
    SELECT "runId" || '/' || name, 'RUN', "runId", name, "runId", "startedCursor" + place, "attempt", epoch, step, 44800000,
      repeat('ab', 32), "architecture", ${classCount}, 1, true, "runId" || '/' || "resumedFrom", at,
      CASE WHEN step <= "startStep" + "steps" - 3 * "stepsPerEpoch" THEN at END ${epochsOfTurns}`,
]

/** As the migration that brought the table makes them of older steps. */
const insertBlocks = `
  INSERT INTO "StepBlock" ("minLoss", "maxLoss", "block", "attempt", "steps", "firstStep", "lastStep", "minCursor", "maxCursor",
    "lastCursor", "nonFiniteCursor", "runId")
  SELECT min("loss"), max("loss"), ("cursor" - 1) / ${blockEvents}, step."attempt", count(*), min(step."step"), max(step."step"),
    (min(ARRAY["loss", "cursor"]) FILTER (WHERE "loss" IS NOT NULL))[2]::integer,
    -(max(ARRAY["loss", -"cursor"]) FILTER (WHERE "loss" IS NOT NULL))[2]::integer,
    max("cursor"), min("cursor") FILTER (WHERE "nonFinite"), "runId"
  FROM (SELECT step.*, run."lastCursor" FROM "StepMetrics" AS step JOIN "Run" AS run ON run."id" = step."runId") AS step
  WHERE "cursor" <= "lastCursor" / ${blockEvents} * ${blockEvents}
  GROUP BY "runId", ("cursor" - 1) / ${blockEvents}, step."attempt"`
