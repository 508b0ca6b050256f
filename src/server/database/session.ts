// Connections to the database, brought up to date: the embedded one's single connection, or those to a PostgreSQL server
// that no other TrainQL server uses.
import pg from 'pg'
import type { Log } from '../log.ts'
import type { Holder } from './holder.ts'
import { copyTemplate, templateKey, templatesFolder } from './database-template.ts'
import { migrate, readMigrations } from './migrate.ts'
import { type PgliteOptions, startPglite } from './pglite.ts'
import { connectMs, guardServerDatabase, type ServerGuard } from './server-guard.ts'

export interface Session {
  pool: pg.Pool
  close: () => Promise<void>
}

export interface GuardedSession extends Session {
  guard: ServerGuard
}

/** Of one connection, which is never dropped for being idle: what is of a session alone stays. */
export const singleConnection = { max: 1, idleTimeoutMillis: 0 }

/**
 * The caller holds the folder's lock.
 * @throws TrainqlError `DATABASE_UNAVAILABLE`, `DISK_FULL`, `CONFLICT`
 */
export async function openEmbeddedSession(folder: string, options: PgliteOptions): Promise<Session> {
  await putTemplate(folder, options)
  return openFolder(folder, options)
}

/** An empty database, brought up to date, where there is none; where none can be kept to copy, `openFolder` makes it. */
export async function putTemplate(folder: string, options: PgliteOptions): Promise<void> {
  await copyTemplate(folder, {
    folder: templatesFolder,
    key: templateKey(await readMigrations()),
    async makeDatabase(draft) {
      const { pool, close } = await openFolder(draft, options)
      try {
        await dropSpareDatabases(pool)
      } finally {
        await close()
      }
    },
  })
}

/** Those that others would be made after, of which there are none: more than half of what a copy of the template has to copy. */
async function dropSpareDatabases(pool: pg.Pool): Promise<void> {
  await pool.query('UPDATE pg_database SET datistemplate = false WHERE datname <> current_database()')
  for (const name of ['template0', 'template1']) await pool.query(`DROP DATABASE ${name}`)
}

async function openFolder(folder: string, options: PgliteOptions): Promise<Session> {
  const pglite = await startPglite(folder, options)
  const pool = new pg.Pool({
    user: 'postgres',
    database: 'postgres',
    ...singleConnection,
    stream: () => pglite.connect(),
  })
  return bringUpToDate(pool, async () => {
    await pool.end()
    await pglite.close()
  })
}

export interface ServerSessionOptions {
  url: string
  holder: Holder
  log: Log
  /** Of the pool. */
  connections: pg.PoolConfig
  /** The session that guards the database broke. */
  onLost: (error: Error) => void
}

/** @throws TrainqlError `DATABASE_LOCKED`, `NETWORK`, `CONFLICT` */
export async function openServerSession(options: ServerSessionOptions): Promise<GuardedSession> {
  const { url, holder, log, connections, onLost } = options
  const guard = await guardServerDatabase({ url, holder, onLost, log })
  const pool = new pg.Pool({
    connectionString: url,
    keepAlive: true,
    connectionTimeoutMillis: connectMs,
    ...connections,
  })
  const session = await bringUpToDate(pool, async () => {
    await pool.end()
    await guard.close()
  })
  return { ...session, guard }
}

async function bringUpToDate(pool: pg.Pool, close: () => Promise<void>): Promise<Session> {
  // Without a listener a connection that breaks while it is idle would end the process.
  pool.on('error', () => undefined)
  try {
    const client = await pool.connect()
    try {
      await migrate(client, await readMigrations())
    } finally {
      client.release()
    }
  } catch (error) {
    await close()
    throw error
  }
  return { pool, close }
}
