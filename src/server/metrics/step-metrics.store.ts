// The measurements of steps in the database, thinned there: of a million rows only those that a chart shows are read.
import type { Database } from '../database/database.ts'
import { Prisma } from '../prisma-client/client.ts'
import { blockEvents } from './step-block.ts'
import type { StepPointRecord, StepSeriesRecord, StepSeriesRequest } from './step-metrics.record.ts'

export interface StepMetricsStore {
  /** Of several runs; a run without such steps is absent. */
  listSeries(runIds: readonly string[], request: StepSeriesRequest): Promise<Map<string, StepSeriesRecord>>
}

type PointRow = StepPointRecord & { runId: string; steps: number }

export function createStepMetricsStore({ prisma }: Database): StepMetricsStore {
  return {
    async listSeries(runIds, request) {
      const rows = await prisma.$queryRaw<PointRow[]>(seriesQuery(runIds, request))
      const series = new Map<string, StepSeriesRecord>()
      for (const { runId, steps, ...point } of rows) {
        const known = series.get(runId)
        if (known === undefined) series.set(runId, { steps, points: [point] })
        else known.points.push(point)
      }
      return series
    },
  }
}

/**
 * A *unit* is what is read of consecutive steps: a block, or one step. Units are counted off into buckets of `width` steps,
 * and each bucket names the steps that it keeps; only those are read whole. Blocks that are cut by what is asked for are
 * read step by step, and all are where buckets are narrower than blocks: there are few enough steps then.
 */
export function seriesQuery(runIds: readonly string[], request: StepSeriesRequest): Prisma.Sql {
  const { maxPoints } = request
  return Prisma.sql`
    WITH asked AS (
      SELECT "id" AS "runId", "lastCursor" / ${blockEvents}::integer * ${blockEvents}::integer AS "blocksEnd"
      FROM "Run" WHERE "id" = ANY(${[...runIds]})
    ), line AS MATERIALIZED (
      SELECT "runId", "number" AS "attempt", (
        SELECT min("startStep") FROM "Attempt" AS later
        WHERE later."runId" = attempt."runId" AND later."number" > attempt."number"
      ) AS "keptTo"
      FROM "Attempt" AS attempt WHERE "runId" = ANY(${[...runIds]})
    ), block AS MATERIALIZED (
      SELECT block.*, "firstStep" >= ${firstStep(request)} AND "lastStep" <= ${lastStep(request)} AS "isWhole"
      FROM "StepBlock" AS block LEFT JOIN line USING ("runId", "attempt")
      WHERE "runId" = ANY(${[...runIds]}) ${ofAttempt('block', request)}
        AND "lastStep" >= ${firstStep(request)} AND "firstStep" <= ${lastStep(request)}
    ), edge AS MATERIALIZED (
      ${unitsOfSteps(
        Prisma.sql`SELECT ${spanOfBlock} FROM block WHERE NOT "isWhole"
          UNION ALL SELECT "runId", NULL, "blocksEnd", ${largestInteger}::integer FROM asked`,
        request,
      )}
    ), shape AS MATERIALIZED (
      SELECT "runId", "steps", CASE WHEN "steps" <= ${maxPoints}::integer THEN 1
        ELSE ("steps" - 1) / (${maxPoints}::integer / "keptOfBucket") + 1 END AS "width"
      FROM (
        SELECT "runId", sum("steps")::integer AS "steps",
          CASE WHEN bool_or("nonFiniteCursor" IS NOT NULL) THEN 4 ELSE 3 END AS "keptOfBucket"
        FROM (
          SELECT "runId", "steps", "nonFiniteCursor" FROM block WHERE "isWhole"
          UNION ALL SELECT "runId", "steps", "nonFiniteCursor" FROM edge
        ) AS part
        GROUP BY "runId"
      ) AS total
    ), unit AS (
      SELECT "runId", "steps", ${unitColumns} FROM edge
      UNION ALL
      SELECT "runId", block."steps", ${unitColumns} FROM block JOIN shape USING ("runId")
      WHERE "isWhole" AND "width" >= ${blockEvents}::integer
      UNION ALL
      ${unitsOfSteps(
        Prisma.sql`SELECT ${spanOfBlock} FROM block JOIN shape USING ("runId")
          WHERE "isWhole" AND "width" < ${blockEvents}::integer`,
        request,
      )}
    ), kept AS (
      SELECT "runId",
        (min(ARRAY["minLoss", "minCursor"]) FILTER (WHERE "minCursor" IS NOT NULL))[2]::integer AS "minCursor",
        -(max(ARRAY["maxLoss", -"maxCursor"]) FILTER (WHERE "maxCursor" IS NOT NULL))[2]::integer AS "maxCursor",
        max("lastCursor") AS "lastCursor",
        min("nonFiniteCursor") AS "nonFiniteCursor"
      FROM (
        SELECT unit.*, (sum(unit."steps") OVER (PARTITION BY "runId" ORDER BY "lastCursor") - unit."steps") / "width" AS "bucket"
        FROM unit JOIN shape USING ("runId")
      ) AS placed
      GROUP BY "runId", "bucket"
    ), chosen AS (
      SELECT DISTINCT "runId", pick."place"
      FROM kept CROSS JOIN LATERAL
        (VALUES ("minCursor"), ("maxCursor"), ("lastCursor"), ("nonFiniteCursor")) AS pick("place")
      WHERE "place" IS NOT NULL
    )
    SELECT step."runId", "cursor", step."attempt", "epoch", "step", "loss", "nonFinite", "learningRate", "imagesPerSecond",
      "at", shape."steps", COALESCE(step."step" > line."keptTo", false) AS "superseded"
    FROM chosen
    CROSS JOIN LATERAL (
      SELECT * FROM "StepMetrics" AS one WHERE one."runId" = chosen."runId" AND one."cursor" = chosen."place" ${fence}
    ) AS step
    JOIN shape ON shape."runId" = chosen."runId"
    LEFT JOIN line ON line."runId" = chosen."runId" AND line."attempt" = step."attempt"
    ORDER BY step."runId", step."cursor"`
}

const largestInteger = 2 ** 31 - 1

/**
 * Keeps what is inside apart for the planner. It cannot know how few rows come from outside, and would rather read the whole
 * table once than look into its index for each.
 */
const fence = Prisma.raw('OFFSET 0')

const unitColumns = Prisma.raw(
  ['minLoss', 'minCursor', 'maxLoss', 'maxCursor', 'lastCursor', 'nonFiniteCursor']
    .map((name) => `"${name}"`)
    .join(', '),
)

const spanOfBlock = Prisma.sql`"runId", "attempt", "block" * ${blockEvents}::integer, ("block" + 1) * ${blockEvents}::integer`

function firstStep({ fromStep }: StepSeriesRequest): Prisma.Sql {
  return Prisma.sql`${fromStep ?? 0}::integer`
}

/** Of an attempt, the last step that counts. */
function lastStep({ toStep, includeSuperseded }: StepSeriesRequest): Prisma.Sql {
  const last = Prisma.sql`${toStep ?? largestInteger}::integer`
  return includeSuperseded ? last : Prisma.sql`LEAST(${last}, "keptTo")`
}

function ofAttempt(table: 'block' | 'step', { attempt }: StepSeriesRequest): Prisma.Sql {
  return attempt === null ? Prisma.empty : Prisma.sql`AND ${Prisma.raw(table)}."attempt" = ${attempt}`
}

/** `spans`: runs, attempts (null: any) and the cursors behind and up to which steps are read. */
function unitsOfSteps(spans: Prisma.Sql, request: StepSeriesRequest): Prisma.Sql {
  return Prisma.sql`
      SELECT step."runId", 1 AS "steps", "loss" AS "minLoss", CASE WHEN "loss" IS NOT NULL THEN "cursor" END AS "minCursor",
        "loss" AS "maxLoss", CASE WHEN "loss" IS NOT NULL THEN "cursor" END AS "maxCursor",
        "cursor" AS "lastCursor", CASE WHEN "nonFinite" THEN "cursor" END AS "nonFiniteCursor"
      FROM (${spans}) AS span("runId", "attempt", "behind", "upTo")
      CROSS JOIN LATERAL (
        SELECT * FROM "StepMetrics" WHERE "runId" = span."runId" AND "cursor" > "behind" AND "cursor" <= "upTo" ${fence}
      ) AS step
      LEFT JOIN line ON line."runId" = step."runId" AND line."attempt" = step."attempt"
      WHERE (span."attempt" IS NULL OR step."attempt" = span."attempt") ${ofAttempt('step', request)}
        AND "step" >= ${firstStep(request)} AND "step" <= ${lastStep(request)}`
}
