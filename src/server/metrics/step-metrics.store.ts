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
 * A *part* is a block, or one step: blocks that are cut by what is asked for are read step by step, which is few. Parts are
 * counted off, so that each knows its place among the steps, into buckets of `width` steps. Where buckets are narrower than
 * blocks, the steps of whole blocks are read too: there are few enough then, and their places follow from those of their
 * blocks. Each bucket names the steps that it keeps; only those are read whole.
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
    ), part AS MATERIALIZED (
      SELECT part.*, sum("steps") OVER (PARTITION BY "runId" ORDER BY "lastCursor") - "steps" AS "before"
      FROM (
        SELECT "runId", "block", "attempt", "firstStep", "steps", ${unitColumns} FROM block WHERE "isWhole"
        UNION ALL
        ${stepsOfCutBlocks(request)}
      ) AS part
    ), shape AS MATERIALIZED (
      SELECT "runId", "steps", CASE WHEN "steps" <= ${maxPoints}::integer THEN 1
        ELSE ("steps" - 1) / (${maxPoints}::integer / "keptOfBucket") + 1 END AS "width"
      FROM (
        SELECT "runId", sum("steps")::integer AS "steps",
          CASE WHEN bool_or("nonFiniteCursor" IS NOT NULL) THEN 4 ELSE 3 END AS "keptOfBucket"
        FROM part GROUP BY "runId"
      ) AS total
    ), placed AS MATERIALIZED (
      SELECT "runId", "before"::integer / "width" AS "bucket", ${unitColumns}
      FROM part JOIN shape USING ("runId")
      WHERE "block" IS NULL OR "width" >= ${blockEvents}::integer
      UNION ALL
      SELECT part."runId", ("before"::integer + LEAST(step."step" - "firstStep", part."steps" - 1)) / "width", ${unitOfStep}
      FROM part JOIN shape USING ("runId")
      CROSS JOIN LATERAL (
        SELECT * FROM "StepMetrics"
        WHERE "runId" = part."runId" AND "cursor" > part."block" * ${blockEvents}::integer
          AND "cursor" <= (part."block" + 1) * ${blockEvents}::integer ${fence}
      ) AS step
      WHERE "block" IS NOT NULL AND "width" < ${blockEvents}::integer AND step."attempt" = part."attempt"
    ), bucket AS MATERIALIZED (
      SELECT "runId", "bucket", min("minLoss") AS "lowest", max("maxLoss") AS "highest", max("lastCursor") AS "lastCursor",
        min("nonFiniteCursor") AS "nonFiniteCursor"
      FROM placed GROUP BY "runId", "bucket"
    ), chosen AS (
      SELECT "runId", "lastCursor" AS "place" FROM bucket
      UNION
      SELECT "runId", "nonFiniteCursor" FROM bucket WHERE "nonFiniteCursor" IS NOT NULL
      UNION
      SELECT "runId", min("minCursor") FROM placed JOIN bucket USING ("runId", "bucket")
      WHERE "minLoss" = "lowest" GROUP BY "runId", "bucket"
      UNION
      SELECT "runId", min("maxCursor") FROM placed JOIN bucket USING ("runId", "bucket")
      WHERE "maxLoss" = "highest" GROUP BY "runId", "bucket"
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

/** The same columns of one step. */
const unitOfStep = Prisma.raw(
  `step."loss" AS "minLoss", CASE WHEN step."loss" IS NOT NULL THEN step."cursor" END AS "minCursor",
    step."loss" AS "maxLoss", CASE WHEN step."loss" IS NOT NULL THEN step."cursor" END AS "maxCursor",
    step."cursor" AS "lastCursor", CASE WHEN step."nonFinite" THEN step."cursor" END AS "nonFiniteCursor"`,
)

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

/** Steps of blocks that are not wanted whole, and those behind the last block. */
function stepsOfCutBlocks(request: StepSeriesRequest): Prisma.Sql {
  return Prisma.sql`
        SELECT step."runId", NULL, step."attempt", step."step", 1, ${unitOfStep}
        FROM (
          SELECT "runId", "attempt", "block" * ${blockEvents}::integer, ("block" + 1) * ${blockEvents}::integer
          FROM block WHERE NOT "isWhole"
          UNION ALL SELECT "runId", NULL, "blocksEnd", ${largestInteger}::integer FROM asked
        ) AS span("runId", "attempt", "behind", "upTo")
        CROSS JOIN LATERAL (
          SELECT * FROM "StepMetrics" WHERE "runId" = span."runId" AND "cursor" > "behind" AND "cursor" <= "upTo" ${fence}
        ) AS step
        LEFT JOIN line ON line."runId" = step."runId" AND line."attempt" = step."attempt"
        WHERE (span."attempt" IS NULL OR step."attempt" = span."attempt") ${ofAttempt('step', request)}
          AND "step" >= ${firstStep(request)} AND "step" <= ${lastStep(request)}`
}
