// The process of a run's trainer, as its lock names it, and how tests have it stand still.
import { readdirSync, readFileSync } from 'node:fs'
import { expect, onTestFinished } from 'vitest'
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

/** SIGSTOP, until each thread stands still. Inside a test: it does not outlive it. */
export async function freeze(pid: number): Promise<void> {
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  })
  process.kill(pid, 'SIGSTOP')
  await expect.poll(() => threadStates(pid), { timeout: 10_000, interval: 1 }).toEqual(new Set(['T']))
}

export function thaw(pid: number): void {
  process.kill(pid, 'SIGCONT')
}

function threadStates(pid: number): Set<string | undefined> {
  const tasks = `/proc/${pid}/task`
  return new Set(
    readdirSync(tasks).map((thread) => /^State:\s+(\w)/m.exec(readFileSync(`${tasks}/${thread}/status`, 'utf8'))?.[1]),
  )
}
