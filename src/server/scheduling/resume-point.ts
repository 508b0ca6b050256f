// The checkpoint of its own that a run goes on from by itself.
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import type { OwnLog } from './run-log.ts'

/**
 * The latest that its latest attempt wrote; where it wrote none, the one that the attempt itself went on from. Not simply
 * the run's latest: where it was resumed from an earlier one, that belongs to a course that was given up.
 */
export async function findResumePoint(checkpoints: CheckpointService, { runId, run }: OwnLog): Promise<string | null> {
  const last = await checkpoints.findLast(runId)
  if (last !== null && last.attempt === run.attempt) return last.name
  if (run.resumeFrom === null) return null
  const key = checkpointReferenceText({ kind: 'RUN', runId, name: run.resumeFrom })
  const own = await checkpoints.find(key)
  return own !== null && own.deletedAt === null ? own.name : (last?.name ?? null)
}
