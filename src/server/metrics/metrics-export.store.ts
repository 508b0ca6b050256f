// The measurements of a run in the database, row by row: of the steps as they are kept, of epochs as their events told them.
// Both go by the cursors of the run's stream, whose rows never change: what is read twice is the same.
import type { Database } from '../database/database.ts'
import { Prisma } from '../prisma-client/client.ts'
import type { MetricsKind } from './metrics-file.ts'
import type { EpochMetricsRecord } from './epoch-metrics.payload.ts'
import type { StepPointRecord } from './step-metrics.record.ts'

export type StepRow = Omit<StepPointRecord, 'superseded'>
/** `at`: when its event was logged; `cursor`: the position of that event. */
export type EpochRow = Omit<EpochMetricsRecord, 'runId' | 'superseded'> & { cursor: number; at: Date }
export type MeasuredRow = StepRow | EpochRow

export interface MetricsSpan {
  runId: string
  /** Cursors; the first is excluded, the second is not. */
  after: number
  upTo: number
  limit: number
}

/** What an attempt went on from. */
export interface AttemptStart {
  attempt: number
  /** Global steps that were done before it. */
  startStep: number
}

export interface MetricsExportStore {
  /** The first so many of a span, in the order in which they were measured. */
  list(kind: MetricsKind, span: MetricsSpan): Promise<MeasuredRow[]>
  /** Of the attempts up to this one that came to start training. */
  listStarts(runId: string, upToAttempt: number): Promise<AttemptStart[]>
}

export function createMetricsExportStore({ prisma }: Database): MetricsExportStore {
  return {
    list: (kind, span) =>
      kind === 'STEPS'
        ? prisma.$queryRaw<StepRow[]>(stepsQuery(span))
        : prisma.$queryRaw<EpochRow[]>(epochsQuery(span)),
    async listStarts(runId, upToAttempt) {
      const rows = await prisma.attempt.findMany({
        where: { runId, number: { lte: upToAttempt } },
        select: { number: true, startStep: true },
      })
      return rows.flatMap(({ number, startStep }) => (startStep === null ? [] : [{ attempt: number, startStep }]))
    },
  }
}

function stepsQuery(span: MetricsSpan): Prisma.Sql {
  return Prisma.sql`
    SELECT "cursor", "attempt", "epoch", "step", "loss", "nonFinite", "learningRate", "imagesPerSecond", "at"
    FROM "StepMetrics" WHERE ${within(span)}`
}

function epochsQuery(span: MetricsSpan): Prisma.Sql {
  return Prisma.sql`
    SELECT "cursor", "attempt", "at", ("payload"->>'nonFinite')::boolean AS "nonFinite",
      ${payloadColumns('integer', ['epoch', 'step'])}, ${payloadColumns('double precision', measures)}
    FROM "Event" WHERE "type" = 'epoch' AND ${within(span)}`
}

const measures = [
  ...['trainLoss', 'validationLoss', 'accuracy', 'top5Accuracy', 'learningRate', 'imagesPerSecond'],
  ...['userSeconds', 'systemSeconds', 'wallSeconds'],
]

/** Numbers of a payload have all their digits: they are the doubles that were logged. */
function payloadColumns(type: 'integer' | 'double precision', names: readonly string[]): Prisma.Sql {
  return Prisma.raw(names.map((name) => `("payload"->>'${name}')::${type} AS "${name}"`).join(', '))
}

function within({ runId, after, upTo, limit }: MetricsSpan): Prisma.Sql {
  return Prisma.sql`"runId" = ${runId} AND "cursor" > ${after} AND "cursor" <= ${upTo} ORDER BY "cursor" LIMIT ${limit}`
}
