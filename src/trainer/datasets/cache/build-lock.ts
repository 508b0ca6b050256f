// Lets one trainer decode a set while the others wait for it. Only to save work: a set appears under its name whole, by a
// rename, so that two that decode it at once do no harm.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { ownIdentity, processState } from '../../../shared/process-identity.ts'
import { parseLockRecord, type LockRecord } from '../../../shared/run-directory.ts'

const pollMs = 250

export interface BuildLockOptions {
  stop: AbortSignal
  /** Told once, when another process holds the lock. */
  onWait: (holder: LockRecord) => void
  /** Called while waiting: waiting is progress too. */
  onPoll: () => void
}

/** Resolves when the lock is ours, or its holder cannot be judged from here; the result gives it back. */
export async function lockBuild(file: string, { stop, onWait, onPoll }: BuildLockOptions): Promise<() => void> {
  const own = `${file}.${process.pid}.${ownIdentity().startTime ?? ''}`
  const record: LockRecord = { ...ownIdentity(), at: new Date().toISOString() }
  let told = false
  for (;;) {
    stop.throwIfAborted()
    if (take(file, { own, record })) return () => rmSync(file, { force: true })
    const holder = readHolder(file)
    if (holder === null) continue
    const state = processState(holder)
    if (state === 'dead') setAside(file, own)
    else if (state === 'unknown') return () => undefined
    else {
      if (!told) onWait(holder)
      told = true
      onPoll()
      await pause(pollMs, undefined, { signal: stop }).catch(() => stop.throwIfAborted())
    }
  }
}

/** Written under another name and linked into place, so that it is never seen half written. */
function take(file: string, { own, record }: { own: string; record: LockRecord }): boolean {
  writeFileSync(own, JSON.stringify(record))
  try {
    linkSync(own, file)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(own, { force: true })
  }
}

function readHolder(file: string): LockRecord | null {
  try {
    return parseLockRecord(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    // Given back meanwhile.
    return null
  }
}

/** A dead holder's lock: of several who find it, one moves it away, and what another has taken since is lost at worst. */
function setAside(file: string, own: string): void {
  try {
    renameSync(file, `${own}.dead`)
    rmSync(`${own}.dead`, { force: true })
  } catch {
    // Somebody else did.
  }
}
