-- CreateIndex
CREATE INDEX "Attempt_releasedAt_idx" ON "Attempt"("releasedAt");

-- CreateIndex
CREATE INDEX "Event_type_runId_attempt_idx" ON "Event"("type", "runId", "attempt");

-- CreateIndex
CREATE INDEX "Run_architecture_id_idx" ON "Run"("architecture", "id");

-- CreateIndex
CREATE INDEX "Run_dataset_id_idx" ON "Run"("dataset", "id");

-- CreateIndex
CREATE INDEX "Run_name_idx" ON "Run"("name");

-- CreateIndex
CREATE INDEX "Run_createdAt_idx" ON "Run"("createdAt");

-- CreateIndex
CREATE INDEX "Run_deviceNames_idx" ON "Run" USING GIN ("deviceNames");
