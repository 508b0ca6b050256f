// Writes what epochs measured, to the last digit: as JSON a number stays whole, where Prisma rounds it to 16 digits.
import type { Database } from '../database/database.ts'
import { Prisma } from '../prisma-client/client.ts'
import type { ProjectedBatch } from './run.projection.ts'

/** Of each record the columns below are taken, and whatever else it may hold is not. */
export function storeEpochs(
  prisma: Database['prisma'],
  epochs: ProjectedBatch['epochMetrics'],
): Prisma.PrismaPromise<unknown> {
  return prisma.$executeRaw`
    INSERT INTO "EpochMetrics" (${epochColumns})
    SELECT ${epochColumns}
    FROM json_to_recordset(${JSON.stringify(epochs)}::json) AS new(
      "runId" text, "attempt" integer, "epoch" integer, "step" integer, "trainLoss" double precision,
      "validationLoss" double precision, "accuracy" double precision, "top5Accuracy" double precision,
      "nonFinite" boolean, "imagesPerSecond" double precision, "learningRate" double precision,
      "userSeconds" double precision, "systemSeconds" double precision, "wallSeconds" double precision,
      "classImages" integer[], "classCorrect" integer[], "confusion" integer[])`
}

const epochColumns = Prisma.raw(
  [
    ...['runId', 'attempt', 'epoch', 'step', 'trainLoss', 'validationLoss', 'accuracy', 'top5Accuracy', 'nonFinite'],
    ...['imagesPerSecond', 'learningRate', 'userSeconds', 'systemSeconds', 'wallSeconds'],
    ...['classImages', 'classCorrect', 'confusion'],
  ]
    .map((column) => `"${column}"`)
    .join(', '),
)
