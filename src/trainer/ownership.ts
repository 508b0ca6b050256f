// Takes an attempt for this process alone, for good: whoever creates `lock.<n>` owns attempt n.
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { TrainqlError } from '../shared/errors.ts'
import { ownIdentity, processState } from '../shared/process-identity.ts'
import { lockFile, parseLockRecord, type LockRecord } from '../shared/run-directory.ts'

/**
 * Node has no `flock`. The lock is a file that says which process holds it, by pid and kernel start time, so that it
 * frees itself when the process dies, as `flock` would: `processState` then says `dead`. It is written under another
 * name and hard-linked into place, which is atomic (also over NFS), so it is never seen half written. It is never
 * taken over: a new try is a new attempt with a lock of its own, so there is no race about a stale one.
 * @throws TrainqlError `CONFLICT` where another process owns, or owned, the attempt.
 */
export function takeAttempt(directory: string, attempt: number): void {
  const file = lockFile(directory, attempt)
  const temporary = `${file}.${process.pid}.tmp`
  const record: LockRecord = { ...ownIdentity(), at: new Date().toISOString() }
  writeFileSync(temporary, `${JSON.stringify(record)}\n`, { flush: true })
  try {
    linkSync(temporary, file)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    const { pid, host } = parseLockRecord(JSON.parse(readFileSync(file, 'utf8')))
    throw new TrainqlError(
      {
        code: 'CONFLICT',
        message: `Attempt ${attempt} already belongs to process ${pid} on ${host} (${file}).`,
        fix: 'Start a new attempt; an attempt runs at most once.',
      },
      { cause: error },
    )
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** True when the attempt's process is known to have ended; false while it may still write. */
export function isOver(directory: string, attempt: number): boolean {
  try {
    return processState(parseLockRecord(JSON.parse(readFileSync(lockFile(directory, attempt), 'utf8')))) === 'dead'
  } catch {
    return false
  }
}
