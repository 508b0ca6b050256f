// A checkpoint's record as its GraphQL type shows it.
import { checkpointFolder, parseCheckpointReference } from '../../shared/checkpoint-reference.ts'
import { globalId } from '../node.type.ts'
import type { CheckpointRecord } from './checkpoint.record.ts'
import type { Checkpoint } from './checkpoint.type.ts'

/** `home`: the data directory. */
export function checkpointPayload(record: CheckpointRecord, home: string): Checkpoint {
  const { key, runId, origin, attempt, name, epoch, step, bytes, sha256, createdAt, deletedAt } = record
  const { architecture, classes, inputChannels, hasOptimizer, pinned, parent, importedFrom, loadReport } = record
  return {
    __typename: 'Checkpoint',
    runKey: runId,
    parentKey: parent,
    id: globalId('Checkpoint', key),
    reference: key,
    origin,
    runId: runId === null ? null : globalId('Run', runId),
    attempt,
    name,
    epoch,
    step,
    architecture,
    classes,
    inputChannels,
    hasOptimizer,
    pinned,
    bytes,
    sha256,
    path: checkpointFolder(home, parseCheckpointReference(key)),
    importedFrom,
    loadReport,
    createdAt,
    deletedAt,
  }
}
