// Ends trainers that nobody owns: their attempt is over, or no run knows of it. They are found by the locks in run
// directories alone, and by what tells a process from every other one: pid, start time and domain.
import { existsSync } from 'node:fs'
import { fenceFile } from '../../shared/run-directory.ts'
import { isInvalidDirectory } from './invalid-directory.ts'
import { listLockedAttempts } from './run-files.ts'
import type { Launcher } from './trainer-process.ts'

/** From SIGKILL until a process that is still there is left to itself: stuck in a driver, most likely. */
const patienceMs = 5_000

/**
 * Kills what holds an attempt of this directory but the one that is `owned`, and waits for its end, so that devices are
 * free in fact when they are given to others. Nothing it may still write counts: there is no reason to ask it to leave.
 * @returns the attempts whose trainers were killed
 */
export async function reapTrainers(launcher: Launcher, directory: string, owned: number | null): Promise<number[]> {
  const attempts = (await listLockedAttempts(directory)).filter((attempt) => attempt !== owned)
  const killed = await Promise.all(attempts.map((attempt) => reap(launcher, directory, attempt)))
  return attempts.filter((_, index) => killed[index])
}

async function reap(launcher: Launcher, directory: string, attempt: number): Promise<boolean> {
  const holder = await launcher.findHolder(directory, attempt).catch((error: unknown) => {
    // Nobody can tell who that is; but it leaves by itself.
    if (isInvalidDirectory(error) && existsSync(fenceFile(directory, attempt))) return null
    throw error
  })
  if (holder === null) return false
  try {
    if (holder.isGone() || !holder.signal('SIGKILL')) return false
    await within(patienceMs, holder.exited)
    return true
  } finally {
    holder.unwatch()
  }
}

async function within(ms: number, ended: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([ended, late])
  clearTimeout(timer)
}
