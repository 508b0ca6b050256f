// What the server writes into run directories: the directory itself, attempts, and its own events. Everything is on
// the disk before it counts.
import { constants } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ServerEvent } from '../../shared/events.ts'
import { type Attempt, parseRunSpec, type RunSpec } from '../../shared/run-spec.ts'
import { attemptFile, specFile } from '../../shared/run-directory.ts'
import { replaceDurably, syncFolder, writeDurably } from '../durable-files.ts'

export const serverEventsFile = (directory: string): string => join(directory, 'events.server.jsonl')
export const trainerOutputFile = (directory: string): string => join(directory, 'log.txt')

const unfinishedPrefix = '.unfinished-'

/** Makes a run's directory with its spec and its first event: whole under its name, or not at all. */
export async function createRunDirectory(directory: string, spec: RunSpec, queued: ServerEvent): Promise<void> {
  const unfinished = join(dirname(directory), `${unfinishedPrefix}${spec.runId}`)
  await mkdir(unfinished, { recursive: true })
  try {
    await writeDurably(specFile(unfinished), `${JSON.stringify(spec, null, 2)}\n`)
    await writeDurably(serverEventsFile(unfinished), `${JSON.stringify(queued)}\n`)
    await syncFolder(unfinished)
    await rename(unfinished, directory)
    await syncFolder(dirname(directory))
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

/** Names of the run directories, and removes those that a crash left unfinished. */
export async function listRunDirectories(runsDirectory: string): Promise<string[]> {
  await mkdir(runsDirectory, { recursive: true })
  const entries = await readdir(runsDirectory, { withFileTypes: true })
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  const unfinished = folders.filter((name) => name.startsWith(unfinishedPrefix))
  await Promise.all(unfinished.map((name) => rm(join(runsDirectory, name), { recursive: true, force: true })))
  return folders.filter((name) => !name.startsWith('.')).sort()
}

/** @throws TrainqlError `INVALID_INPUT` where the file is no run spec. */
export async function readSpec(directory: string): Promise<RunSpec> {
  return parseRunSpec(JSON.parse(await readFile(specFile(directory), 'utf8')))
}

/** Writes what one attempt is given, before its devices are leased. */
export async function writeAttempt(directory: string, attempt: Attempt): Promise<void> {
  await replaceDurably(attemptFile(directory, attempt.attempt), `${JSON.stringify(attempt, null, 2)}\n`)
}

/** Appends one event at a byte offset, which drops what a crash may have left of a torn line behind it. */
export async function appendServerEvent(directory: string, event: ServerEvent, offset: number): Promise<void> {
  const file = await open(serverEventsFile(directory), constants.O_WRONLY | constants.O_CREAT)
  try {
    await file.truncate(offset)
    await file.write(`${JSON.stringify(event)}\n`, offset)
    await file.datasync()
  } finally {
    await file.close()
  }
}
