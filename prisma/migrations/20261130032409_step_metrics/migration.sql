-- CreateTable
CREATE TABLE "StepMetrics" (
    "at" TIMESTAMPTZ(3) NOT NULL,
    "loss" DOUBLE PRECISION,
    "learningRate" DOUBLE PRECISION NOT NULL,
    "imagesPerSecond" DOUBLE PRECISION NOT NULL,
    "cursor" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "epoch" INTEGER NOT NULL,
    "step" INTEGER NOT NULL,
    "nonFinite" BOOLEAN NOT NULL,
    "runId" TEXT NOT NULL,

    CONSTRAINT "StepMetrics_pkey" PRIMARY KEY ("runId","cursor")
);

-- CreateTable
CREATE TABLE "StepBlock" (
    "minLoss" DOUBLE PRECISION,
    "maxLoss" DOUBLE PRECISION,
    "block" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL,
    "steps" INTEGER NOT NULL,
    "firstStep" INTEGER NOT NULL,
    "lastStep" INTEGER NOT NULL,
    "minCursor" INTEGER,
    "maxCursor" INTEGER,
    "lastCursor" INTEGER NOT NULL,
    "nonFiniteCursor" INTEGER,
    "runId" TEXT NOT NULL,

    CONSTRAINT "StepBlock_pkey" PRIMARY KEY ("runId","block","attempt")
);

-- Move the steps: each is in one place.
INSERT INTO "StepMetrics" ("at", "loss", "learningRate", "imagesPerSecond", "cursor", "attempt", "seq", "epoch", "step", "nonFinite", "runId")
SELECT "at", ("payload"->>'loss')::double precision, ("payload"->>'learningRate')::double precision,
    ("payload"->>'imagesPerSecond')::double precision, "cursor", "attempt", "seq", ("payload"->>'epoch')::integer,
    ("payload"->>'step')::integer, ("payload"->>'nonFinite')::boolean, "runId"
FROM "Event" WHERE "type" = 'step' ORDER BY "runId", "cursor";

DELETE FROM "Event" WHERE "type" = 'step';

-- Sum up the blocks that are whole.
INSERT INTO "StepBlock" ("minLoss", "maxLoss", "block", "attempt", "steps", "firstStep", "lastStep", "minCursor", "maxCursor", "lastCursor", "nonFiniteCursor", "runId")
SELECT min(step."loss"), max(step."loss"), ("cursor" - 1) / 128, step."attempt", count(*), min(step."step"), max(step."step"),
    (min(ARRAY[step."loss", "cursor"]) FILTER (WHERE step."loss" IS NOT NULL))[2]::integer,
    -(max(ARRAY[step."loss", -"cursor"]) FILTER (WHERE step."loss" IS NOT NULL))[2]::integer,
    max("cursor"), min("cursor") FILTER (WHERE "nonFinite"), "runId"
FROM "StepMetrics" AS step JOIN "Run" AS run ON run."id" = step."runId"
WHERE "cursor" <= run."lastCursor" / 128 * 128
GROUP BY "runId", ("cursor" - 1) / 128, step."attempt";

-- AddForeignKey
ALTER TABLE "StepMetrics" ADD CONSTRAINT "StepMetrics_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "StepBlock" ADD CONSTRAINT "StepBlock_runId_fkey" FOREIGN KEY ("runId") REFERENCES "Run"("id") ON DELETE CASCADE ON UPDATE CASCADE;
