-- CreateEnum
CREATE TYPE "PauseReason" AS ENUM ('USER', 'DRAIN', 'YIELD');

-- CreateEnum
CREATE TYPE "DeviceAvailability" AS ENUM ('ACTIVE', 'DRAINING', 'DISABLED', 'QUARANTINED');

-- AlterEnum
-- This migration adds more than one value to an enum.
-- With PostgreSQL versions 11 and earlier, this is not possible
-- in a single migration. This can be worked around by creating
-- multiple migrations, each migration adding only one value to
-- the enum.


ALTER TYPE "RunState" ADD VALUE 'PAUSING';
ALTER TYPE "RunState" ADD VALUE 'PAUSED';
ALTER TYPE "RunState" ADD VALUE 'UNREACHABLE';

-- AlterTable
ALTER TABLE "Attempt" ADD COLUMN     "startStep" INTEGER;

-- AlterTable
ALTER TABLE "Device" ADD COLUMN     "availability" "DeviceAvailability" NOT NULL DEFAULT 'ACTIVE',
ADD COLUMN     "availabilityReason" TEXT,
ADD COLUMN     "availabilitySince" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "EpochMetrics" ADD COLUMN     "superseded" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "Run" ADD COLUMN     "forkedFrom" TEXT,
ADD COLUMN     "notBefore" TIMESTAMPTZ(3),
ADD COLUMN     "pauseReason" "PauseReason",
ADD COLUMN     "plan" JSONB,
ADD COLUMN     "priority" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "stall" JSONB,
ADD COLUMN     "startedAttempt" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "stateSince" TIMESTAMPTZ(3),
ADD COLUMN     "tries" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 0;

-- CreateIndex
CREATE INDEX "Run_forkedFrom_idx" ON "Run"("forkedFrom");
