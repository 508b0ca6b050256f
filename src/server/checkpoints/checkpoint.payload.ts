// A checkpoint's record as its GraphQL type shows it.
import { join } from 'node:path'
import { checkpointsFolder } from '../../shared/run-directory.ts'
import { globalId } from '../node.type.ts'
import { checkpointKey, type CheckpointRecord } from './checkpoint.record.ts'
import type { Checkpoint } from './checkpoint.type.ts'

export function checkpointPayload(record: Omit<CheckpointRecord, 'cursor'>, runsDirectory: string): Checkpoint {
  const { runId, attempt, name, epoch, step, bytes, sha256, createdAt } = record
  return {
    __typename: 'Checkpoint',
    runKey: runId,
    id: globalId('Checkpoint', checkpointKey(record)),
    runId: globalId('Run', runId),
    attempt,
    name,
    epoch,
    step,
    bytes,
    sha256,
    path: join(checkpointsFolder(join(runsDirectory, runId)), name),
    createdAt,
  }
}
