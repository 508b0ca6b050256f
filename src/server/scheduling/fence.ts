// The fence behind an attempt that is over: readers know it by the event `released`; this file tells the trainer, should it
// still live and have been taken for dead.
import { existsSync } from 'node:fs'
import { processState } from '../../shared/process-identity.ts'
import { exitFile, type Fence, fenceFile } from '../../shared/run-directory.ts'
import { replaceDurably } from '../durable-files.ts'
import { isInvalidDirectory } from './invalid-directory.ts'
import { listLockedAttempts, readLock } from './run-files.ts'

/** The attempt has been released. Where its process is known to be gone, nobody is left to read it. */
export async function putUpFence(directory: string, fence: Fence): Promise<void> {
  if (await isGone(directory, fence.attempt)) return
  await replaceDurably(fenceFile(directory, fence.attempt), `${JSON.stringify(fence)}\n`)
}

/** Behind the latest attempt that a log knows, and before all that were begun though it knows nothing of them. */
export async function putUpFences(directory: string, latest: Fence): Promise<void> {
  if (latest.attempt > 0) await putUpFence(directory, latest)
  for (const attempt of await listLockedAttempts(directory)) {
    if (attempt > latest.attempt) await putUpFence(directory, { attempt, seq: 0 })
  }
}

async function isGone(directory: string, attempt: number): Promise<boolean> {
  if (existsSync(exitFile(directory, attempt))) return true
  try {
    const holder = await readLock(directory, attempt)
    // Without a lock it may be about to begin.
    return holder !== null && processState(holder) === 'dead'
  } catch (error) {
    if (isInvalidDirectory(error)) return false
    throw error
  }
}
