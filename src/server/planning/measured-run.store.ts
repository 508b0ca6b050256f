// What runs were measured to be, read from the rows that their epochs left.
import { type RunPlan, runPlanSchema } from '../../shared/run-plan.ts'
import { parseRunSpec, type RunSpec } from '../../shared/run-spec.ts'
import type { Database } from '../database/database.ts'
import { parseNullable } from '../database/json-column.ts'
import { Prisma } from '../prisma-client/client.ts'

/** A run that came to the end of an epoch, and what its latest attempt that did measured. */
export interface MeasuredRow {
  runId: string
  spec: RunSpec
  plan: RunPlan | null
  engine: string | null
  stepsPerEpoch: number
  attempt: number
  deviceNames: string[]
  leasedAt: Date
  /** When training began. */
  startedAt: Date | null
  /** When the run succeeded; null where it did not, or took several attempts. */
  succeededAt: Date | null
  /** The latest that count, newest first. */
  epochs: { epoch: number; imagesPerSecond: number; wallSeconds: number }[]
}

/** The devices that a run got first. */
export interface FirstLease {
  runId: string
  deviceNames: string[]
  leasedAt: Date
}

export interface MeasuredRunStore {
  /** The newest runs, oldest first. */
  listLatest(limit: number): Promise<MeasuredRow[]>
  list(runIds: readonly string[]): Promise<MeasuredRow[]>
  listFirstLeases(runIds: readonly string[]): Promise<FirstLease[]>
}

/** Enough for a median. */
const epochsOfRun = 9

interface JoinedRow extends Omit<MeasuredRow, 'runId' | 'spec' | 'plan' | 'epochs'> {
  id: string
  spec: unknown
  plan: unknown
  epoch: number
  imagesPerSecond: number
  wallSeconds: number
}

export function createMeasuredRunStore({ prisma }: Database): MeasuredRunStore {
  async function read(runs: Prisma.Sql): Promise<MeasuredRow[]> {
    // Of each run a few rows by their key, however long it trained. An attempt that began at the end of an epoch trained
    // no image of it.
    const rows = await prisma.$queryRaw<JoinedRow[]>`
      SELECT r.id, r.spec, r.plan, r.engine, r."stepsPerEpoch",
        a.number AS attempt, a."deviceNames", a."leasedAt", a."startedAt",
        CASE WHEN r.state = 'SUCCEEDED' AND r.attempt = 1 THEN r."finishedAt" END AS "succeededAt",
        e.epoch, e."imagesPerSecond", e."wallSeconds"
      FROM (${runs}) r
      CROSS JOIN LATERAL (
        SELECT attempt, epoch, "imagesPerSecond", "wallSeconds" FROM "EpochMetrics"
        WHERE "runId" = r.id AND NOT superseded AND "imagesPerSecond" > 0
        ORDER BY attempt DESC, epoch DESC LIMIT ${epochsOfRun}
      ) e
      JOIN "Attempt" a ON a."runId" = r.id AND a.number = e.attempt
      ORDER BY r.id, e.attempt DESC, e.epoch DESC`
    return groupByRun(rows)
  }

  return {
    listLatest: (limit) =>
      read(Prisma.sql`SELECT * FROM "Run" WHERE "startedAt" IS NOT NULL AND epoch > 0 ORDER BY id DESC LIMIT ${limit}`),
    listFirstLeases: (runIds) =>
      prisma.attempt.findMany({
        where: { runId: { in: [...runIds] }, number: 1 },
        select: { runId: true, deviceNames: true, leasedAt: true },
      }),
    list: (runIds) => read(Prisma.sql`SELECT * FROM "Run" WHERE id = ANY(${[...runIds]})`),
  }
}

/** Rows of one run stand together, those of its latest attempt first; earlier attempts may have had other devices. */
function groupByRun(rows: readonly JoinedRow[]): MeasuredRow[] {
  const runs: MeasuredRow[] = []
  for (const { id, epoch, imagesPerSecond, wallSeconds, spec, plan, ...row } of rows) {
    const measured = { epoch, imagesPerSecond, wallSeconds }
    const last = runs.at(-1)
    if (last?.runId !== id) {
      const kept = { spec: parseRunSpec(spec), plan: parseNullable(runPlanSchema, plan, 'run plan') }
      runs.push({ ...row, ...kept, runId: id, epochs: [measured] })
    } else if (last.attempt === row.attempt) last.epochs.push(measured)
  }
  return runs
}
