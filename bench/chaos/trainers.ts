// The trainers of a data directory as its lock files name them: those alive, and whoever is left at the end.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ProcessIdentity, processState } from '../../src/shared/process-identity.ts'
import { findLockAttempt, lockFile, parseLockRecord } from '../../src/shared/run-directory.ts'

export interface LiveTrainer {
  runId: string
  directory: string
  attempt: number
  identity: ProcessIdentity
}

/** Every trainer that is alive, the oldest run's first. */
export function listLiveTrainers(runsFolder: string): LiveTrainer[] {
  return listRuns(runsFolder).flatMap((runId) => {
    const directory = join(runsFolder, runId)
    return listLocks(directory).flatMap((attempt) => {
      const identity = parseLockRecord(JSON.parse(readFileSync(lockFile(directory, attempt), 'utf8')))
      return processState(identity) === 'alive' ? [{ runId, directory, attempt, identity }] : []
    })
  })
}

export function listRuns(runsFolder: string): string[] {
  return readdirSync(runsFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort()
}

function listLocks(directory: string): number[] {
  return readdirSync(directory).flatMap((name) => findLockAttempt(name) ?? [])
}

/** False where the process is gone: its number may be another's by now. */
export function signalTrainer({ identity }: LiveTrainer, signal: NodeJS.Signals): boolean {
  if (processState(identity) !== 'alive') return false
  try {
    return process.kill(identity.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw error
  }
}

/** Processes that have a variable of this value in their environment, this one left out: whoever was given it, and theirs. */
export function listProcessesWith(name: string, value: string): number[] {
  const variable = `${name}=${value}`
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .filter((pid) => environmentOf(pid).includes(variable))
    .map(Number)
}

function environmentOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  } catch {
    // Gone meanwhile, or another user's, and then not ours.
    return []
  }
}
