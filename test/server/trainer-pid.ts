// The process of a run's trainer, as its lock names it.
import { readFileSync } from 'node:fs'
import { lockFile } from '../../src/shared/run-directory.ts'

export function trainerPid({ directory }: { directory: string }, attempt = 1): number {
  return (JSON.parse(readFileSync(lockFile(directory, attempt), 'utf8')) as { pid: number }).pid
}

/** A zombie has ended; whoever should have reaped it is not of interest. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
