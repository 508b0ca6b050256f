// One server a data directory, or one rebuild of its database: two on one database folder would lose committed rows
// without a word, and two that follow one run would launch it twice.
import { statSync } from 'node:fs'
import { link, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { createHash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { TrainqlError } from '../../shared/errors.ts'
import { ownIdentity, processState } from '../../shared/process-identity.ts'
import { type Holder, holders, holderWords } from './holder.ts'

const holderSchema = z.object({
  pid: z.number().int().positive(),
  startTime: z.string().nullable(),
  domain: z.string().nullable(),
  host: z.string(),
  at: z.string(),
  // Earlier versions did not say, and a later one may know of more.
  holder: z.enum(holders).catch('SERVER'),
})

export interface HomeLock {
  release(): Promise<void>
}

export const homeLockFile = (home: string): string => join(home, 'server.lock')

/** The name under which a process writes its lock before it puts it in its place. */
const draftName = /^server\.lock\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
/** A draft that is not whole is being written; after so long its maker was killed meanwhile. */
const unfinishedMs = 60_000

/**
 * Takes the lock of a data directory for the life of this process, from a holder that has died too.
 * @throws TrainqlError `DATABASE_LOCKED` naming the process that holds it
 */
export async function lockHome(home: string, holder: Holder = 'SERVER'): Promise<HomeLock> {
  const file = homeLockFile(home)
  await sweepDrafts(home)
  // The name makes the text unlike any other's: what is read back equal is this very lock.
  const own = JSON.stringify({ ...ownIdentity(), at: new Date().toISOString(), holder, name: randomUUID() })
  const draft = `${file}.${randomUUID()}`
  await writeFile(draft, own)
  try {
    await acquire(draft, file, home)
  } finally {
    await rm(draft, { force: true })
  }
  return {
    async release() {
      if ((await readIfThere(file)) === own) await unlink(file)
    },
  }
}

/**
 * Puts `draft` at `file`, where there is nothing or what a dead process left. Only who holds the lock named after a
 * stale text may replace that text, in one rename that gives up the name too; so nothing alive is ever moved, and a
 * slow process that still thinks of the old text finds it changed. That second lock is taken by the same rule, for its
 * holder may have died as well.
 */
async function acquire(draft: string, file: string, home: string): Promise<void> {
  for (;;) {
    // A link makes the lock appear whole and only where there is none.
    if (await linked(draft, file)) return
    const text = await readIfThere(file)
    if (text === null) continue
    const holder = parseHolder(text)
    if (holder !== null && processState(holder) !== 'dead') throw locked(home, file, holder)
    const successor = `${homeLockFile(home)}.${createHash('sha256').update(text).digest('hex')}`
    await acquire(draft, successor, home)
    if ((await readIfThere(file)) === text) {
      await rename(successor, file)
      return
    }
    await unlink(successor)
  }
}

/** Removes the drafts of processes that were killed before they could. */
async function sweepDrafts(home: string): Promise<void> {
  const drafts = (await readdir(home)).filter((name) => draftName.test(name)).map((name) => join(home, name))
  for (const draft of drafts) if (await isAbandoned(draft)) await rm(draft, { force: true })
}

async function isAbandoned(draft: string): Promise<boolean> {
  const text = await readIfThere(draft)
  if (text === null) return false
  const maker = parseHolder(text)
  if (maker !== null) return processState(maker) === 'dead'
  const stats = statSync(draft, { throwIfNoEntry: false })
  return stats !== undefined && Date.now() - stats.mtimeMs > unfinishedMs
}

async function linked(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function readIfThere(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Null for what no server wrote; such a file guards nothing. */
function parseHolder(text: string): z.output<typeof holderSchema> | null {
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch {
    return null
  }
}

function locked(home: string, file: string, { pid, host, at, holder }: z.output<typeof holderSchema>): TrainqlError {
  const { name, untilFree } = holderWords[holder]
  return new TrainqlError({
    code: 'DATABASE_LOCKED',
    message: `The data directory ${home} is in use by ${name} with process id ${pid} on ${host}, since ${at}.`,
    fix: `${untilFree}, or set TRAINQL_HOME to another folder. If it is surely gone, delete ${file}.`,
  })
}
