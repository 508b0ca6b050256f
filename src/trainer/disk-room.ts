// Is there room on the disk for what a run is about to write? Asked before it begins and before each checkpoint, so that
// a full disk is a clear refusal more often than a half-written file.
import { statfs } from 'node:fs/promises'
import { TrainqlError } from '../shared/errors.ts'
import type { OptimizerSpec, RunSpec } from '../shared/run-spec.ts'
import type { ModelGraph } from './models/graph.ts'
import { elementCount, optimizerSlots, parameterEntries, stateEntries, type StateEntry } from './models/parameters.ts'

/** A checkpoint leaves so much to the log. */
const spareBytes = 1024 * 1024
const manifestBytes = 64 * 1024
/** Of a tensor in the header of its file. */
const headerBytes = 160
const stepLineBytes = 256
const epochLineBytes = 4096

/** Bytes that one checkpoint takes, rounded up. */
export function checkpointBytes(graph: ModelGraph, optimizer: Pick<OptimizerSpec, 'kind'>): number {
  const optimizerBytes = optimizerSlots(optimizer).length * tensorBytes(parameterEntries(graph))
  return tensorBytes(stateEntries(graph)) + optimizerBytes + manifestBytes
}

/** Bytes of the events that are still to come, roughly. */
export function logBytes({ epochs }: Pick<RunSpec, 'epochs'>, remaining: { steps: number }): number {
  return remaining.steps * stepLineBytes + epochs * epochLineBytes
}

export interface Need {
  bytes: number
  /** What for, in words. */
  what: string
}

/**
 * Passes where the file system cannot tell. A quota is not seen here: the write itself then says `DISK_FULL`.
 * @throws TrainqlError `DISK_FULL`, naming the bytes that are needed and those that are free.
 */
export async function checkRoom(folder: string, { bytes, what }: Need): Promise<void> {
  const { bavail, bsize, blocks } = await statfs(folder)
  const free = bavail * bsize
  const needed = bytes + spareBytes
  if (blocks === 0 || free >= needed) return
  throw new TrainqlError({
    code: 'DISK_FULL',
    message: `Expected ${needed} bytes of room in ${folder} for ${what}; ${free} are free.`,
    fix: `Free ${needed - free} bytes, or keep fewer checkpoints.`,
  })
}

function tensorBytes(entries: readonly StateEntry[]): number {
  return entries.reduce((sum, { shape, role }) => {
    const width = role === 'batchesTracked' ? BigInt64Array.BYTES_PER_ELEMENT : Float32Array.BYTES_PER_ELEMENT
    return sum + elementCount(shape) * width + headerBytes
  }, 0)
}
