-- CreateEnum
CREATE TYPE "RunState" AS ENUM ('QUEUED', 'STARTING', 'RUNNING', 'CANCELING', 'CANCELED', 'SUCCEEDED', 'FAILED');

-- CreateTable
CREATE TABLE "Run" (
    "id" TEXT NOT NULL,
    "name" TEXT,
    "state" "RunState" NOT NULL,
    "architecture" TEXT NOT NULL,
    "dataset" TEXT NOT NULL,
    "epochs" INTEGER NOT NULL,
    "globalBatch" INTEGER NOT NULL,
    "shards" INTEGER NOT NULL,
    "engineChoice" TEXT NOT NULL,
    "learningRate" DOUBLE PRECISION NOT NULL,
    "seed" BIGINT NOT NULL,
    "spec" JSONB NOT NULL,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "deviceNames" TEXT[],
    "engine" TEXT,
    "engineDetail" TEXT,
    "parameters" BIGINT,
    "stepsPerEpoch" INTEGER NOT NULL DEFAULT 0,
    "epoch" INTEGER NOT NULL DEFAULT 0,
    "step" INTEGER NOT NULL DEFAULT 0,
    "loss" DOUBLE PRECISION,
    "imagesPerSecond" DOUBLE PRECISION,
    "failureCode" TEXT,
    "failureMessage" TEXT,
    "failureFix" TEXT,
    "failureStep" INTEGER,
    "failureNonFinite" BOOLEAN NOT NULL DEFAULT false,
    "lastCursor" INTEGER NOT NULL DEFAULT 0,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "startedAt" TIMESTAMPTZ(3),
    "finishedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Run_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Attempt" (
    "runId" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "deviceNames" TEXT[],
    "leasedAt" TIMESTAMPTZ(3) NOT NULL,
    "startedAt" TIMESTAMPTZ(3),
    "releasedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Attempt_pkey" PRIMARY KEY ("runId","number")
);

-- CreateTable
CREATE TABLE "EventLog" (
    "runId" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,

    CONSTRAINT "EventLog_pkey" PRIMARY KEY ("runId","attempt")
);

-- CreateTable
CREATE TABLE "Event" (
    "runId" TEXT NOT NULL,
    "cursor" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "type" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "payload" JSONB NOT NULL,

    CONSTRAINT "Event_pkey" PRIMARY KEY ("runId","cursor")
);

-- CreateTable
CREATE TABLE "EpochMetrics" (
    "runId" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "epoch" INTEGER NOT NULL,
    "step" INTEGER NOT NULL,
    "trainLoss" DOUBLE PRECISION,
    "validationLoss" DOUBLE PRECISION,
    "accuracy" DOUBLE PRECISION,
    "nonFinite" BOOLEAN NOT NULL,
    "imagesPerSecond" DOUBLE PRECISION NOT NULL,
    "learningRate" DOUBLE PRECISION NOT NULL,
    "userSeconds" DOUBLE PRECISION NOT NULL,
    "systemSeconds" DOUBLE PRECISION NOT NULL,
    "wallSeconds" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "EpochMetrics_pkey" PRIMARY KEY ("runId","attempt","epoch")
);

-- CreateTable
CREATE TABLE "Checkpoint" (
    "runId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "epoch" INTEGER NOT NULL,
    "step" INTEGER NOT NULL,
    "bytes" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,
    "cursor" INTEGER NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Checkpoint_pkey" PRIMARY KEY ("runId","name")
);

-- CreateTable
CREATE TABLE "Device" (
    "name" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "ordinal" INTEGER NOT NULL,
    "model" TEXT NOT NULL,
    "cores" INTEGER[],
    "uuid" TEXT,
    "memoryBytes" BIGINT NOT NULL,
    "present" BOOLEAN NOT NULL,

    CONSTRAINT "Device_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "Lease" (
    "deviceName" TEXT NOT NULL,
    "runId" TEXT NOT NULL,
    "attempt" INTEGER NOT NULL,
    "leasedAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Lease_pkey" PRIMARY KEY ("deviceName")
);

-- CreateIndex
CREATE INDEX "Run_state_id_idx" ON "Run"("state", "id");

-- CreateIndex
CREATE UNIQUE INDEX "Event_runId_attempt_seq_key" ON "Event"("runId", "attempt", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "Checkpoint_runId_cursor_key" ON "Checkpoint"("runId", "cursor");

-- CreateIndex
CREATE INDEX "Lease_runId_idx" ON "Lease"("runId");

-- AddForeignKey
ALTER TABLE "Attempt" ADD CONSTRAINT "Attempt_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "EventLog" ADD CONSTRAINT "EventLog_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Event" ADD CONSTRAINT "Event_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "EpochMetrics" ADD CONSTRAINT "EpochMetrics_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Checkpoint" ADD CONSTRAINT "Checkpoint_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Lease" ADD CONSTRAINT "Lease_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;
