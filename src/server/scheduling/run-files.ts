// What the server writes into run directories: the directory itself, attempts, and its own events. Everything is on
// the disk before it counts.
import { constants, existsSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { TrainqlError } from '../../shared/errors.ts'
import { eventLine } from '../../shared/event-line.ts'
import type { ServerEvent } from '../../shared/events.ts'
import { type Attempt, parseRunSpec, type RunSpec } from '../../shared/run-spec.ts'
import {
  attemptFile,
  findLockAttempt,
  initialFolder,
  lockFile,
  type LockRecord,
  parseLockRecord,
  specFile,
  trashPrefix,
} from '../../shared/run-directory.ts'
import { nullWhereAbsent, replaceDurably, syncPath, writeDurably } from '../durable-files.ts'
import { invalidFile } from './invalid-directory.ts'

export const serverEventsFile = (directory: string): string => join(directory, 'events.server.jsonl')
export const trainerOutputFile = (directory: string): string => join(directory, 'log.txt')

const unfinishedPrefix = '.unfinished-'

export interface RunBeginning {
  spec: RunSpec
  queued: ServerEvent
  /** Folder of the checkpoint that it is initialised from; null: at random. */
  initial: string | null
}

/** Makes a run's directory with its spec and its first event: whole under its name, or not at all. */
export async function createRunDirectory(directory: string, { spec, queued, initial }: RunBeginning): Promise<void> {
  const unfinished = join(dirname(directory), `${unfinishedPrefix}${spec.runId}`)
  await mkdir(unfinished, { recursive: true })
  try {
    await writeDurably(specFile(unfinished), `${JSON.stringify(spec, null, 2)}\n`)
    await writeDurably(serverEventsFile(unfinished), eventLine(queued))
    if (initial !== null) await keep(initial, initialFolder(unfinished)).catch(goneMeanwhile)
    await syncPath(unfinished)
    await rename(unfinished, directory)
    await syncPath(dirname(directory))
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

/**
 * A checkpoint for a run's own: what becomes of the original, by its run's retention or by its owner, is nothing to the
 * run that begins with it, today or when it is resumed. Its files never change, so a link is as good as a copy.
 */
async function keep(checkpoint: string, folder: string): Promise<void> {
  await mkdir(folder)
  for (const name of await readdir(checkpoint)) {
    await linkOrCopy(join(checkpoint, name), join(folder, name))
  }
  await syncPath(folder)
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: unknown) => {
    if (!linkless.has((error as NodeJS.ErrnoException).code ?? '')) throw error
    await copyFile(from, to)
    await syncPath(to)
  })
}

function goneMeanwhile(error: unknown): never {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  throw new TrainqlError(
    {
      code: 'NOT_FOUND',
      message: 'The checkpoint to begin with was removed while the run was made.',
      fix: 'Choose another checkpoint, and pin it where its run keeps only some.',
    },
    { cause: error },
  )
}

/** Where the two are on different disks, or the file system has no links. */
const linkless = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EMLINK'])

/** Names of the run directories, and removes what crashes left: those that were unfinished, and those about to go. */
export async function listRunDirectories(runsDirectory: string): Promise<string[]> {
  await mkdir(runsDirectory, { recursive: true })
  const folders = await listFolders(runsDirectory)
  const leftovers = folders.filter((name) => name.startsWith(unfinishedPrefix) || name.startsWith(trashPrefix))
  await Promise.all(leftovers.map((name) => rm(join(runsDirectory, name), { recursive: true, force: true })))
  return folders.filter(isRunsName)
}

/** The same names, in their order, without touching anything; null where there is no such folder. */
export async function findRunDirectories(runsDirectory: string): Promise<string[] | null> {
  if (!existsSync(runsDirectory)) return null
  return (await listFolders(runsDirectory)).filter(isRunsName)
}

const isRunsName = (name: string): boolean => !name.startsWith('.')

async function listFolders(runsDirectory: string): Promise<string[]> {
  const entries = await readdir(runsDirectory, { withFileTypes: true })
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort()
}

/** @throws TrainqlError `RUN_DIRECTORY_INVALID` where it holds no spec of its run. */
export async function readSpec(directory: string): Promise<RunSpec> {
  const runId = basename(directory)
  const spec = await readJson(specFile(directory), {
    parse: parseRunSpec,
    expected: `the spec of run ${runId}`,
    fix: 'Fork the run: the database knows what was asked for. Look for faults of the disk that holds it.',
  })
  if (spec?.runId === runId) return spec
  const found = spec === null ? 'no file' : `that of run ${spec.runId}`
  throw invalidFile(specFile(directory), `expected the spec of run ${runId}; found ${found}.`, 'Fork the run.')
}

/**
 * Who holds, or held, an attempt; null where nobody ever did.
 * @throws TrainqlError `RUN_DIRECTORY_INVALID`
 */
export function readLock(directory: string, attempt: number): Promise<LockRecord | null> {
  return readJson(lockFile(directory, attempt), {
    parse: parseLockRecord,
    expected: 'the process that holds the attempt',
    fix: 'End its trainer, should one run, then resume the run. Look for faults of the disk that holds it.',
  })
}

interface JsonFile<T> {
  parse: (input: unknown) => T
  expected: string
  fix: string
}

/** Null where it is absent. */
async function readJson<T>(file: string, { parse, expected, fix }: JsonFile<T>): Promise<T | null> {
  const text = await readFile(file, 'utf8').catch(nullWhereAbsent)
  if (text === null) return null
  try {
    return parse(JSON.parse(text))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const found = JSON.stringify(text.slice(0, 80))
    throw invalidFile(file, `expected ${expected}; found ${found} (${why}).`, fix)
  }
}

/** Attempts that somebody holds, or held. */
export async function listLockedAttempts(directory: string): Promise<number[]> {
  const names = (await readdir(directory).catch(nullWhereAbsent)) ?? []
  return names.flatMap((name) => findLockAttempt(name) ?? []).sort((a, b) => a - b)
}

/**
 * The number of a next attempt: nobody has held it, not even one that a log which was lost knew of.
 * @param latest the latest attempt that the log knows
 */
export function findFreeAttempt(directory: string, latest: number): number {
  let attempt = latest + 1
  while (existsSync(lockFile(directory, attempt))) attempt += 1
  return attempt
}

/** Writes what one attempt is given, before its devices are leased. */
export async function writeAttempt(directory: string, attempt: Attempt): Promise<void> {
  await replaceDurably(attemptFile(directory, attempt.attempt), `${JSON.stringify(attempt, null, 2)}\n`)
}

/**
 * Appends one event at a byte offset, which drops what a crash may have left of a torn line behind it. An event that did
 * not come to lie on the disk is taken back, as far as that can be done.
 */
export async function appendServerEvent(directory: string, event: ServerEvent, offset: number): Promise<void> {
  const file = await open(serverEventsFile(directory), constants.O_WRONLY | constants.O_CREAT)
  try {
    await file.truncate(offset)
    const line = Buffer.from(eventLine(event))
    for (let done = 0; done < line.length;) {
      done += (await file.write(line, done, line.length - done, offset + done)).bytesWritten
    }
    await file.datasync()
  } catch (error) {
    await file.truncate(offset).catch(() => undefined)
    throw error
  } finally {
    await file.close()
  }
}

/** A name beside the server's events that no damaged file has yet. */
export function nameForDamaged(directory: string): string {
  for (let number = 1; ; number += 1) {
    const name = `${basename(serverEventsFile(directory))}.damaged-${number}`
    if (!existsSync(join(directory, name))) return name
  }
}

export interface Amendment {
  /** Up to there the lines are whole. */
  offset: number
  /** The events that go on behind them. */
  events: readonly ServerEvent[]
  /** Name under which the damaged file is kept. */
  keptAs: string
}

/**
 * Puts another file in the place of the server's damaged one, which is kept. It appears whole: after a crash in between there
 * is the damaged file in its place, and perhaps under its other name too.
 * @returns the byte at which the events begin
 */
export async function amendServerEvents(directory: string, { offset, events, keptAs }: Amendment): Promise<number> {
  const file = serverEventsFile(directory)
  const damaged = await readFile(file).catch(nullWhereAbsent)
  if (damaged !== null) await linkOrCopy(file, join(directory, keptAs))
  const readable = damaged?.subarray(0, offset) ?? Buffer.alloc(0)
  const whole = readable.subarray(0, readable.lastIndexOf('\n') + 1)
  await replaceDurably(file, Buffer.concat([whole, ...events.map((event) => Buffer.from(eventLine(event)))]))
  return whole.length
}
