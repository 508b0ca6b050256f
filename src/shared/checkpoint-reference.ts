// How a checkpoint is named wherever one is meant: `<run>/<name>`, or `imported/<id>`; and where its folder lies.
import { join } from 'node:path'
import { invalidInput } from './errors.ts'
import { checkpointsFolder } from './run-directory.ts'

export type CheckpointReference = { kind: 'RUN'; runId: string; name: string } | { kind: 'IMPORTED'; id: string }

const importedPrefix = 'imported'
/** One folder's name, which cannot lead out of its parent. */
const part = /^[A-Za-z0-9][A-Za-z0-9._-]*$/

export function checkpointReferenceText(reference: CheckpointReference): string {
  return reference.kind === 'RUN' ? `${reference.runId}/${reference.name}` : `${importedPrefix}/${reference.id}`
}

/** Null where the text names no checkpoint. */
export function findCheckpointReference(text: string): CheckpointReference | null {
  const [first, second, ...rest] = text.split('/')
  if (first === undefined || second === undefined || rest.length > 0) return null
  if (!part.test(first) || !part.test(second)) return null
  return first === importedPrefix ? { kind: 'IMPORTED', id: second } : { kind: 'RUN', runId: first, name: second }
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseCheckpointReference(text: string): CheckpointReference {
  const reference = findCheckpointReference(text)
  if (reference !== null) return reference
  throw invalidInput({
    message: `Expected a checkpoint as <run>/<name> or imported/<id>; got ${JSON.stringify(text)}.`,
    fix: 'Take the reference from a checkpoint that is listed.',
  })
}

export const runsFolder = (home: string): string => join(home, 'runs')
export const importedFolder = (home: string): string => join(home, 'checkpoints')

/** The folder of a checkpoint in a data directory; it may be absent. */
export function checkpointFolder(home: string, reference: CheckpointReference): string {
  return reference.kind === 'RUN'
    ? join(checkpointsFolder(join(runsFolder(home), reference.runId)), reference.name)
    : join(importedFolder(home), reference.id)
}
