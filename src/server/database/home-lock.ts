// One server a data directory: two on one database folder would lose committed rows without a word, and two that
// follow one run would launch it twice.
import { link, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { TrainqlError } from '../../shared/errors.ts'
import { ownIdentity, processState } from '../../shared/process-identity.ts'

const holderSchema = z.object({
  pid: z.number().int().positive(),
  startTime: z.string().nullable(),
  domain: z.string().nullable(),
  host: z.string(),
  at: z.string(),
})

export interface HomeLock {
  release(): Promise<void>
}

export const homeLockFile = (home: string): string => join(home, 'server.lock')

/**
 * Takes the lock of a data directory for the life of this process, from a holder that has died too.
 * @throws TrainqlError `DATABASE_LOCKED` naming the process that holds it
 */
export async function lockHome(home: string): Promise<HomeLock> {
  const file = homeLockFile(home)
  const own = JSON.stringify({ ...ownIdentity(), at: new Date().toISOString() })
  const draft = `${file}.${randomUUID()}`
  await writeFile(draft, own)
  try {
    // A link makes the lock appear whole and only where there is none.
    while (!(await linked(draft, file))) await removeStale(file, home)
  } finally {
    await rm(draft, { force: true })
  }
  return {
    async release() {
      if ((await readIfThere(file)) === own) await unlink(file)
    },
  }
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

async function removeStale(file: string, home: string): Promise<void> {
  const text = await readIfThere(file)
  if (text === null) return
  const holder = parseHolder(text)
  if (holder !== null && processState(holder) !== 'dead') throw locked(home, file, holder)
  // Moving it aside gives it to one process alone; what was moved is looked at again, for another may have been faster.
  const aside = `${file}.stale-${randomUUID()}`
  try {
    await rename(file, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if ((await readIfThere(aside)) !== text) await linked(aside, file)
  await rm(aside, { force: true })
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

function locked(home: string, file: string, { pid, host, at }: z.output<typeof holderSchema>): TrainqlError {
  return new TrainqlError({
    code: 'DATABASE_LOCKED',
    message: `The data directory ${home} is in use by the server with process id ${pid} on ${host}, since ${at}.`,
    fix: `Stop that server, or set TRAINQL_HOME to another folder. If it is surely gone, delete ${file}.`,
  })
}
