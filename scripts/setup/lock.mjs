// One set-up at a time in one clone: a file that names the process holding it.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stateFolder } from './places.mjs'

const lockFile = join(stateFolder, 'lock')
const pollMs = 200

/** Waits while another live process holds the lock; `onWait(pid)` is called once for each holder waited for. */
export async function acquireLock({ onWait }) {
  mkdirSync(stateFolder, { recursive: true })
  const own = `${lockFile}.${process.pid}`
  writeFileSync(own, JSON.stringify({ pid: process.pid, startTime: startTime(process.pid) }))
  let waitedFor = null
  try {
    while (!tryLink(own)) {
      const holder = readHolder(lockFile)
      if (holder === null) continue
      if (!isAlive(holder)) {
        removeStale(holder)
        continue
      }
      if (waitedFor !== holder.pid) onWait(holder.pid)
      waitedFor = holder.pid
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  } finally {
    rmSync(own, { force: true })
  }
  return { release: () => rmSync(lockFile, { force: true }) }
}

/** A link appears whole and at most once, whoever else tries. */
function tryLink(own) {
  try {
    linkSync(own, lockFile)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return null
  }
}

/** Moves a dead holder's lock away; should it have become a live one's since it was read, that one gets it back. */
function removeStale(stale) {
  const aside = `${lockFile}.stale.${process.pid}`
  try {
    renameSync(lockFile, aside)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  const moved = readHolder(aside)
  if (moved !== null && (moved.pid !== stale.pid || moved.startTime !== stale.startTime)) tryLink(aside)
  rmSync(aside, { force: true })
}

function isAlive({ pid, startTime: started }) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
  // The pid may have been given to another process since.
  const now = startTime(pid)
  return started === null || now === null || now === started
}

/** Kernel start time of a process (proc(5), field 22); null where the system has no /proc. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return null
  }
}
