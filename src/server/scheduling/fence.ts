// The fence behind an attempt that is over: readers know it by the event `released`; this file tells the trainer, should it
// still live and have been taken for dead.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { processState } from '../../shared/process-identity.ts'
import { exitFile, type Fence, fenceFile, lockFile, parseLockRecord } from '../../shared/run-directory.ts'
import { nullWhereAbsent, replaceDurably } from '../durable-files.ts'
import type { OwnLog } from './run-log.ts'

/** The latest attempt has been released. Where its process is known to be gone, nobody is left to read it. */
export async function putUpFence({ directory, run, lastSeq }: OwnLog): Promise<void> {
  if (await isGone(directory, run.attempt)) return
  const fence: Fence = { attempt: run.attempt, seq: lastSeq() }
  await replaceDurably(fenceFile(directory, run.attempt), `${JSON.stringify(fence)}\n`)
}

async function isGone(directory: string, attempt: number): Promise<boolean> {
  if (existsSync(exitFile(directory, attempt))) return true
  const lock = await readFile(lockFile(directory, attempt), 'utf8').catch(nullWhereAbsent)
  // Without a lock it may be about to begin.
  return lock !== null && processState(parseLockRecord(JSON.parse(lock))) === 'dead'
}
