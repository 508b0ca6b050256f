// A PostgreSQL server of one's own, where this machine has its programs: in a folder, on a free port of the loopback address.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { freePort } from '../../src/cli/server-process.ts'

export interface PostgresPrograms {
  bin: string
  /** Who runs it, since it refuses to run as root; null: ourselves. */
  user: { uid: number; gid: number } | null
}

/** Null where there are none, with the reason. */
export function findPostgres(): { programs: PostgresPrograms; reason: null } | { programs: null; reason: string } {
  const root = '/usr/lib/postgresql'
  const version = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a))[0] : undefined
  if (version === undefined) return { programs: null, reason: `no PostgreSQL server under ${root}` }
  const bin = join(root, version, 'bin')
  if (!existsSync(join(bin, 'initdb'))) return { programs: null, reason: `no initdb in ${bin}` }
  if (process.getuid?.() !== 0) return { programs: { bin, user: null }, reason: null }
  try {
    const id = (kind: string): number =>
      Number(execFileSync('id', [kind, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }))
    return { programs: { bin, user: { uid: id('-u'), gid: id('-g') } }, reason: null }
  } catch {
    return { programs: null, reason: 'PostgreSQL refuses to run as root, and there is no user postgres' }
  }
}

export interface OwnPostgres {
  url: string
  stop(): Promise<void>
}

const answersWithinMs = 30_000

/**
 * Starts one on what the folder holds, or on an empty database. Every folder above it must be open to its user.
 * @param settings such as `fsync=off`
 */
export async function startOwnPostgres(
  { bin, user }: PostgresPrograms,
  folder: string,
  settings: readonly string[],
): Promise<OwnPostgres> {
  const data = join(folder, 'data')
  const as = { cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' }, ...(user ?? {}) }
  if (!existsSync(data)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    if (user !== null) chownSync(folder, user.uid, user.gid)
    const init = ['-D', data, '-U', 'trainql', '-A', 'trust', '-E', 'UTF8', '--no-sync']
    execFileSync(join(bin, 'initdb'), init, { ...as, stdio: 'pipe' })
  }
  const port = await freePort(0, '127.0.0.1')
  const options = [
    '-D',
    data,
    '-k',
    folder,
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    ...settings.flatMap((setting) => ['-c', setting]),
  ]
  const child = spawn(join(bin, 'postgres'), options, { ...as, stdio: 'ignore' })
  const gone = once(child, 'exit')
  const url = `postgresql://trainql@127.0.0.1:${port}/postgres`
  const stop = async (): Promise<void> => {
    // At once, but in order.
    child.kill('SIGINT')
    await gone
  }
  try {
    await answers(url, AbortSignal.timeout(answersWithinMs))
  } catch (error) {
    await stop()
    throw error
  }
  return { url, stop }
}

async function answers(url: string, late: AbortSignal): Promise<void> {
  for (;;) {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return
    } catch (error) {
      if (late.aborted) throw error
      await pause(50)
    }
  }
}
