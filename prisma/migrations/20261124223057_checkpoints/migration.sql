-- CreateEnum
CREATE TYPE "CheckpointOrigin" AS ENUM ('RUN', 'IMPORTED');

-- AlterTable
ALTER TABLE "Run" ADD COLUMN     "initialFrom" TEXT,
ADD COLUMN     "inputChannels" INTEGER,
ADD COLUMN     "loadReport" JSONB,
ADD COLUMN     "resumeDevices" JSONB,
ADD COLUMN     "resumeFrom" TEXT;

-- DropIndex
DROP INDEX "Checkpoint_runId_cursor_key";

-- AlterTable
ALTER TABLE "Checkpoint" DROP CONSTRAINT "Checkpoint_pkey",
ADD COLUMN     "architecture" TEXT,
ADD COLUMN     "classes" INTEGER,
ADD COLUMN     "deletedAt" TIMESTAMPTZ(3),
ADD COLUMN     "hasOptimizer" BOOLEAN,
ADD COLUMN     "importedFrom" JSONB,
ADD COLUMN     "inputChannels" INTEGER,
ADD COLUMN     "key" TEXT,
ADD COLUMN     "loadReport" JSONB,
ADD COLUMN     "origin" "CheckpointOrigin",
ADD COLUMN     "parent" TEXT,
ADD COLUMN     "pinned" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "series" TEXT,
ALTER COLUMN "runId" DROP NOT NULL,
ALTER COLUMN "attempt" DROP NOT NULL;

-- Until now all were of a run, with the optimiser's state.
UPDATE "Checkpoint"
SET "key" = "Checkpoint"."runId" || '/' || "Checkpoint"."name",
    "origin" = 'RUN',
    "series" = "Checkpoint"."runId",
    "architecture" = "Run"."architecture",
    "classes" = NULLIF(cardinality("Run"."classNames"), 0),
    "hasOptimizer" = true
FROM "Run"
WHERE "Run"."id" = "Checkpoint"."runId";

-- AlterTable
ALTER TABLE "Checkpoint"
ALTER COLUMN "architecture" SET NOT NULL,
ALTER COLUMN "hasOptimizer" SET NOT NULL,
ALTER COLUMN "key" SET NOT NULL,
ALTER COLUMN "origin" SET NOT NULL,
ALTER COLUMN "series" SET NOT NULL,
ADD CONSTRAINT "Checkpoint_pkey" PRIMARY KEY ("key");

-- CreateIndex
CREATE INDEX "Checkpoint_runId_idx" ON "Checkpoint"("runId");

-- CreateIndex
CREATE UNIQUE INDEX "Checkpoint_series_cursor_key" ON "Checkpoint"("series", "cursor");
