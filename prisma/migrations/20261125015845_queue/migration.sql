-- AlterTable
ALTER TABLE "Attempt" ADD COLUMN     "fault" TEXT;

-- AlterTable
ALTER TABLE "Run" ADD COLUMN     "backfilledUntil" TIMESTAMPTZ(3),
ADD COLUMN     "waitingSince" TIMESTAMPTZ(3);

-- A run's place in the queue is from when it was last asked for.
UPDATE "Run"
SET "waitingSince" = COALESCE(
  (SELECT MAX("at") FROM "Event" WHERE "runId" = "Run"."id" AND "type" = 'resumeRequested'),
  "createdAt"
);
