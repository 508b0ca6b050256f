// The row of a run that a database does not know, from its directory: it is as the run was when it was submitted.
import { stat } from 'node:fs/promises'
import { specFile } from '../../shared/run-directory.ts'
import { findSortableIdTime } from '../../shared/sortable-id.ts'
import type { RunSpec } from '../../shared/run-spec.ts'
import type { RunStore } from '../runs/run.store.ts'
import type { RunFolder } from './log-reader.ts'
import { readSpec } from './run-files.ts'

/** @throws TrainqlError `RUN_DIRECTORY_INVALID` where its `spec.json` cannot be read, or is another run's */
export async function insertUnknownRun(
  store: Pick<RunStore, 'insert'>,
  { runId, directory }: RunFolder,
): Promise<{ spec: RunSpec; createdAt: Date }> {
  const spec = await readSpec(directory)
  const createdAt = findSortableIdTime(runId) ?? (await stat(specFile(directory))).mtime
  await store.insert(spec, createdAt)
  return { spec, createdAt }
}
