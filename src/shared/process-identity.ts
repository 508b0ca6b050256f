// Tells one process from every other, now and later, so that a lock file can say whether its holder still lives.
import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

export interface ProcessIdentity {
  pid: number
  startTime: string | null
  domain: string | null
  host: string
}

/** `unknown`: it belongs to another host, boot or container, so only its heartbeat can tell. */
export type ProcessState = 'alive' | 'dead' | 'unknown'

export function ownIdentity(): ProcessIdentity {
  return identityOf(process.pid)
}

/** Of a process that runs here now. */
export function identityOf(pid: number): ProcessIdentity {
  return { pid, startTime: findStartTime(pid), domain: pidDomain(), host: hostname() }
}

/**
 * Whether the process still runs. A pid alone may have been given to another process since; pid and kernel start
 * time within one boot and one pid namespace cannot. An exited process that nobody has reaped counts as dead.
 */
export function processState({ pid, startTime, domain, host }: ProcessIdentity): ProcessState {
  if (host !== hostname() || domain !== pidDomain()) {
    // Another boot of this very host: the process is gone, whatever runs under its pid now.
    return host === hostname() && bootOf(domain) !== bootOf(pidDomain()) ? 'dead' : 'unknown'
  }
  const current = findStartTime(pid)
  if (current === null) return 'dead'
  return startTime === null || current === startTime ? 'alive' : 'dead'
}

function bootOf(domain: string | null): string | undefined {
  return domain?.split('/')[0]
}

function pidDomain(): string | null {
  if (process.platform !== 'linux') return null
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return null
  }
}

/** Opaque start time of a live process; null when there is none. */
function findStartTime(pid: number): string | null {
  return process.platform === 'linux' ? findLinuxStartTime(pid) : findPortableStartTime(pid)
}

function findLinuxStartTime(pid: number): string | null {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return null
  }
  // The command in parentheses may itself hold spaces and parentheses: fields count from the last one (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  return state === 'Z' || state === 'X' ? null : (fields[19] ?? null)
}

function findPortableStartTime(pid: number): string | null {
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    return started === '' ? null : started
  } catch {
    return null
  }
}
