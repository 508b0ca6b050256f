// Applies the migrations in `prisma/migrations` and keeps Prisma's own ledger of them (`_prisma_migrations`), so that
// `prisma migrate status` accepts the result. Prisma's own deployer needs an engine that it would have to download.
import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClientBase } from 'pg'
import { TrainqlError } from '../../shared/errors.ts'

export interface Migration {
  /** Folder name, such as `20251101120000_initial`; the order of names is the order of migrations. */
  name: string
  sql: string
  /** sha-256 of the script, as Prisma computes it. */
  checksum: string
}

export const migrationsFolder = fileURLToPath(new URL('../../../prisma/migrations', import.meta.url))

/** The number Prisma's own deployer locks, so that the two never run at once. */
const advisoryLock = 72_707_369

const createLedger = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id"                  VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum"            VARCHAR(64) NOT NULL,
    "finished_at"         TIMESTAMPTZ,
    "migration_name"      VARCHAR(255) NOT NULL,
    "logs"                TEXT,
    "rolled_back_at"      TIMESTAMPTZ,
    "started_at"          TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
  )`

export async function readMigrations(folder = migrationsFolder): Promise<Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/**
 * Brings the database up to date, each migration whole or not at all, and returns the names of those applied now.
 * @throws TrainqlError `CONFLICT` where the database's history is not a beginning of ours: it belongs to a newer
 * version, a migration was changed after it was applied, or one has failed.
 */
export async function migrate(client: ClientBase, migrations: readonly Migration[]): Promise<string[]> {
  await client.query('SELECT pg_advisory_lock($1)', [advisoryLock])
  try {
    await client.query(createLedger)
    const pending = await findPending(client, migrations)
    for (const migration of pending) await applyMigration(client, migration)
    return pending.map(({ name }) => name)
  } finally {
    await client.query('SELECT pg_advisory_unlock($1)', [advisoryLock])
  }
}

interface LedgerRow {
  migration_name: string
  checksum: string
  finished_at: Date | null
}

async function findPending(client: ClientBase, migrations: readonly Migration[]): Promise<Migration[]> {
  const { rows } = await client.query<LedgerRow>(
    'SELECT migration_name, checksum, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL ORDER BY migration_name',
  )
  for (const { migration_name: name, checksum, finished_at: finishedAt } of rows) {
    const known = migrations.find((migration) => migration.name === name)
    if (finishedAt === null) throw conflict(`the migration ${name} has failed half-way`)
    if (known === undefined) throw conflict(`it holds the migration ${name}, which this version does not know`)
    if (known.checksum !== checksum) throw conflict(`the migration ${name} was changed after it had been applied`)
  }
  const applied = new Set(rows.map((row) => row.migration_name))
  return migrations.filter(({ name }) => !applied.has(name))
}

async function applyMigration(client: ClientBase, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query(sql)
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
       VALUES ($1, $2, clock_timestamp(), $3, now(), 1)`,
      [randomUUID(), checksum, name],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

function conflict(why: string): TrainqlError {
  return new TrainqlError({
    code: 'CONFLICT',
    message: `The database cannot be brought up to date: ${why}.`,
    fix: 'Use the version of TrainQL that last used this database, or start with an empty one: runs are read back from their directories.',
  })
}
