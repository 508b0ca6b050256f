// The plain record of a checkpoint, and its key; its files are described by the manifest in its folder.

export interface CheckpointRecord {
  runId: string
  attempt: number
  /** Folder name inside the run's `checkpoints/`. */
  name: string
  epoch: number
  step: number
  bytes: bigint
  sha256: string
  /** Position of the event that announced it. */
  cursor: number
  createdAt: Date
}

/** The key behind a checkpoint's global id. */
export function checkpointKey({ runId, name }: { runId: string; name: string }): string {
  return `${runId}/${name}`
}

/** The parts of such a key; null where it is none. */
export function findCheckpointParts(key: string): { runId: string; name: string } | null {
  const [runId, name, ...rest] = key.split('/')
  return runId !== undefined && name !== undefined && rest.length === 0 ? { runId, name } : null
}

/** Where a checkpoint stands in lists. */
export interface CheckpointPosition {
  runId: string
  cursor: number
}

export function checkpointPositionText({ runId, cursor }: CheckpointPosition): string {
  return `${runId}/${cursor}`
}

export function findCheckpointPosition(text: string): CheckpointPosition | null {
  const match = /^([^/]+)\/(\d{1,9})$/.exec(text)
  return match === null ? null : { runId: match[1] ?? '', cursor: Number(match[2]) }
}
