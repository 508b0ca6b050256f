// The files of a run directory that server and trainer both name: paths, the lock, the heartbeat, the exit record.
import { join } from 'node:path'
import { z } from 'zod'
import { parseWith } from './parse-with.ts'

export const specFile = (directory: string): string => join(directory, 'spec.json')
export const attemptFile = (directory: string, attempt: number): string => join(directory, `attempt.${attempt}.json`)
export const lockFile = (directory: string, attempt: number): string => join(directory, `lock.${attempt}`)
/** The attempt that a lock's file name is of; null where it is no such name. */
export function findLockAttempt(name: string): number | null {
  const [, attempt] = /^lock\.([1-9]\d*)$/.exec(name) ?? []
  return attempt === undefined ? null : Number(attempt)
}
export const heartbeatFile = (directory: string, attempt: number): string =>
  join(directory, `heartbeat.${attempt}.json`)
/** Written by the server once an attempt is over whose process may still live; see `Fence`. */
export const fenceFile = (directory: string, attempt: number): string => join(directory, `fence.${attempt}.json`)
export const exitFile = (directory: string, attempt: number): string => join(directory, `exit.${attempt}.json`)
/** The checkpoint that the run is initialised from, kept for it; absent where it begins at random. */
export const initialFolder = (directory: string): string => join(directory, 'initial')
export const checkpointsFolder = (directory: string): string => join(directory, 'checkpoints')

/** An attempt's log, whose parts count from 1: `events.<attempt>.jsonl`, and behind that `events.<attempt>.<part>.jsonl`. */
export function eventsFile(directory: string, attempt: number, part = 1): string {
  return join(directory, part === 1 ? `events.${attempt}.jsonl` : `events.${attempt}.${part}.jsonl`)
}

/** What a file of that name is a part of; null where it is none. */
export function findEventsFileParts(name: string): { attempt: number; part: number } | null {
  const [, attempt, part] = /^events\.([1-9]\d*)(?:\.([2-9]|[1-9]\d+))?\.jsonl$/.exec(name) ?? []
  return attempt === undefined ? null : { attempt: Number(attempt), part: Number(part ?? 1) }
}

/** Name of a checkpoint's folder: the attempt and the global step that wrote it. */
export function checkpointName(attempt: number, step: number): string {
  return `${attempt}-${String(step).padStart(8, '0')}`
}

/** The parts of such a name; null where it is none. */
export function findCheckpointNameParts(name: string): { attempt: number; step: number } | null {
  const [, attempt, step] = /^([1-9]\d*)-(\d{8,})$/.exec(name) ?? []
  return attempt === undefined || step === undefined ? null : { attempt: Number(attempt), step: Number(step) }
}

/** Global steps that were done where an attempt goes on from that checkpoint; null: it begins at the first. */
export function stepsDoneAt(checkpoint: string | null): number {
  return checkpoint === null ? 0 : (findCheckpointNameParts(checkpoint)?.step ?? 0)
}

/** Of the name of a folder that is about to go. */
export const trashPrefix = '.trash-'

export const pinSuffix = '.pinned'

/** The file that keeps a checkpoint from every clearing up, beside its folder, which never changes. */
export function pinFile(directory: string, name: string): string {
  return join(checkpointsFolder(directory), `${name}${pinSuffix}`)
}

const count = z.number().int().min(0)

/**
 * Who owns an attempt (`lock.<n>`). The file appears whole and once: an attempt is started at most once, so a lock
 * is never taken over, and its holder is alive exactly while this process is (see `processState`).
 */
const lockSchema = z.object({
  pid: z.number().int().positive(),
  /** Kernel start time of the process, opaque; tells it from a later one with the same pid. Null where unknown. */
  startTime: z.string().nullable(),
  /** Boot and pid namespace that pid and start time belong to, opaque. Null where unknown. */
  domain: z.string().nullable(),
  host: z.string(),
  at: z.iso.datetime(),
})
export type LockRecord = z.output<typeof lockSchema>

/** From one heartbeat to the next. */
export const beatIntervalMs = 1000

/** What a heartbeat says of one replica. Its times are counted in beats, which no change of a clock can falsify. */
const replicaBeatSchema = z.object({
  device: z.string(),
  /** Global steps done. */
  step: count,
  /** It waits for the others, or has nothing to do: its rest is no stall. */
  resting: z.boolean(),
  /** The beat at which it was last seen to have done some work, however little. */
  movedBeat: count,
  /** Beats since then in which it was at work all along: 0 where it moves or rests. */
  stalledBeats: count,
  /** When that was, by the trainer's clock: for people. */
  progressAt: z.iso.datetime(),
})
export type ReplicaBeat = z.output<typeof replicaBeatSchema>

/** Renewed about once a second by a thread of its own, so a long step does not silence it. */
const heartbeatSchema = z.object({
  run: z.string(),
  attempt: count,
  pid: z.number().int().positive(),
  /** Counts from 1, and is another one in each heartbeat: what readers judge silence by. 0 in those of earlier versions. */
  beat: count.default(0),
  /** When the process was last seen alive, by its own clock: for people. */
  at: z.iso.datetime(),
  epoch: count,
  /** Global steps done. */
  step: count,
  /** When a step, an evaluation batch or a checkpoint last ended. */
  progressAt: z.iso.datetime(),
  /** In the order of the attempt's devices; empty until training begins. */
  replicas: z.array(replicaBeatSchema).default([]),
})
export type Heartbeat = z.output<typeof heartbeatSchema>

/** Up to where an attempt counts: what it wrote behind `seq` is nobody's, and its process, should it live, leaves. */
export interface Fence {
  attempt: number
  seq: number
}

/** The trainer's last act (`exit.<n>.json`); absent where it was killed. Codes: `exit-codes.ts`. */
const exitRecordSchema = z.object({ code: count, signal: z.string().optional(), at: z.iso.datetime() })
export type ExitRecord = z.output<typeof exitRecordSchema>

/** @throws TrainqlError `INVALID_INPUT` */
export function parseLockRecord(input: unknown): LockRecord {
  return parseWith(lockSchema, input, 'lock record')
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseHeartbeat(input: unknown): Heartbeat {
  return parseWith(heartbeatSchema, input, 'heartbeat')
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseExitRecord(input: unknown): ExitRecord {
  return parseWith(exitRecordSchema, input, 'exit record')
}
