// What the server writes into run directories: the directory itself, attempts, and its own events. Everything is on
// the disk before it counts.
import { constants, existsSync } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { TrainqlError } from '../../shared/errors.ts'
import { eventLine } from '../../shared/event-line.ts'
import type { ServerEvent } from '../../shared/events.ts'
import { type Attempt, parseRunSpec, type RunSpec } from '../../shared/run-spec.ts'
import { attemptFile, initialFolder, lockFile, specFile } from '../../shared/run-directory.ts'
import { replaceDurably, syncPath, writeDurably } from '../durable-files.ts'

export const serverEventsFile = (directory: string): string => join(directory, 'events.server.jsonl')
export const trainerOutputFile = (directory: string): string => join(directory, 'log.txt')

const unfinishedPrefix = '.unfinished-'
/** Of what is about to go. */
const trashPrefix = '.trash-'

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
    const [from, to] = [join(checkpoint, name), join(folder, name)]
    await link(from, to).catch(async (error: unknown) => {
      if (!linkless.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      await copyFile(from, to)
      await syncPath(to)
    })
  }
  await syncPath(folder)
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
  const entries = await readdir(runsDirectory, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  const leftovers = folders.filter((name) => name.startsWith(unfinishedPrefix) || name.startsWith(trashPrefix))
  await Promise.all(leftovers.map((name) => rm(join(runsDirectory, name), { recursive: true, force: true })))
  return folders.filter((name) => !name.startsWith('.')).sort()
}

/** @throws TrainqlError `INVALID_INPUT` where the file is no run spec. */
export async function readSpec(directory: string): Promise<RunSpec> {
  return parseRunSpec(JSON.parse(await readFile(specFile(directory), 'utf8')))
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
