// The training tables once more, empty, in the temporary schema of one session: the server's own stores fill them as they
// fill the real ones, and what came of it is put in the place of those in one transaction. What becomes of the process in
// between, the real ones are whole, and these are gone with the session.
import { PrismaPg } from '@prisma/adapter-pg'
import type pg from 'pg'
import { TrainqlError } from '../../shared/errors.ts'
import { PrismaClient } from '../prisma-client/client.ts'
import type { Database, DatabaseOptions } from './database.ts'
import { openEmbeddedSession, openServerSession, singleConnection } from './session.ts'
import { type TrainingTable, trainingTables } from './training-tables.ts'

export interface SideTables extends Database {
  /** The session, in which a name without a schema is that of a side table. */
  readonly pool: pg.Pool
  /** Ids of runs that are stored. */
  listStored(): Promise<string[]>
  /** Has what is stored of a run in the side tables where that goes further than what they hold of it; whether it does. */
  keepStored(runId: string): Promise<boolean>
  /** Puts every side table in the place of the real one. All or nothing. @param onTable called before each table */
  install(onTable: (table: TrainingTable) => void): Promise<void>
  close(): Promise<void>
}

/** PostgreSQL's name for the temporary schema of the session. */
const sideSchema = 'pg_temp'
const realSchema = 'public'

/** One of both: the columns of an enum are of another type in each. */
type Schema = typeof sideSchema | typeof realSchema

export const sideTable = (table: TrainingTable): string => `${sideSchema}."${table}"`
export const realTable = (table: TrainingTable): string => `${realSchema}."${table}"`
export const runColumn = (table: TrainingTable): string => (table === 'Run' ? '"id"' : '"runId"')

/** Temporary tables lie in memory of the session's own, and on the disk beyond that. */
const buffers = '128MB'

/**
 * Brings the database up to date and makes the side tables in it.
 * @throws TrainqlError as `openDatabase`
 */
export async function openSideTables({ folder, url, log, openSeconds }: DatabaseOptions): Promise<SideTables> {
  const session =
    url === null
      ? { ...(await openEmbeddedSession(folder, { log, openSeconds })), guard: null }
      : await openServerSession({ url, holder: 'REBUILD', log, connections: singleConnection, onLost: () => undefined })
  const { pool, guard, close } = session
  try {
    await makeSideTables(pool)
  } catch (error) {
    await close()
    throw error
  }
  const prisma = new PrismaClient({
    adapter: new PrismaPg(pool, { schema: sideSchema }),
    // With one connection, a transaction waits for those before it; that is no failure.
    transactionOptions: { maxWait: 600_000, timeout: 600_000 },
  })
  return {
    prisma,
    pool,
    async listStored() {
      const { rows } = await pool.query<{ id: string }>(`SELECT "id" FROM ${realTable('Run')} ORDER BY 1`)
      return rows.map(({ id }) => id)
    },
    keepStored: (runId) => inTransaction(pool, (client) => keepStored(client, runId)),
    install: (onTable) =>
      inTransaction(pool, async (client) => {
        await replaceTables(client, onTable)
        // Another server may have taken the database over.
        if (guard?.isHeld() === false) throw guardLost()
      }),
    async close() {
      await prisma.$disconnect()
      await close()
    },
  }
}

/** The same columns and indexes; no foreign keys, whose every row would be looked up. */
async function makeSideTables(pool: pg.Pool): Promise<void> {
  await pool.query(`SET temp_buffers = '${buffers}'`)
  // Prisma names types by the schema of the tables.
  for (const { name, labels } of await listEnums(pool)) {
    const quoted = labels.map((label) => `'${label}'`).join(', ')
    await pool.query(`CREATE TYPE ${sideSchema}."${name}" AS ENUM (${quoted})`)
  }
  for (const table of trainingTables) {
    await pool.query(`CREATE TEMPORARY TABLE "${table}" (LIKE ${realTable(table)} INCLUDING ALL)`)
    for (const { name, type } of await listColumns(pool, table)) {
      if (type === null) continue
      const change = `TYPE ${sideSchema}."${type}" USING "${name}"::text::${sideSchema}."${type}"`
      await pool.query(`ALTER TABLE ${sideTable(table)} ALTER COLUMN "${name}" ${change}`)
    }
  }
  // Imported checkpoints are no run's: what is known of them stays.
  const select = await selectAs(pool, 'Checkpoint', sideSchema)
  const imports = `SELECT ${select} FROM ${realTable('Checkpoint')} WHERE "origin" = 'IMPORTED'`
  await pool.query(`INSERT INTO ${sideTable('Checkpoint')} ${imports}`)
}

type Querying = Pick<pg.PoolClient, 'query'>

async function listEnums(client: Querying): Promise<{ name: string; labels: string[] }[]> {
  const { rows } = await client.query<{ name: string; labels: string[] }>(
    `SELECT type.typname AS "name", array_agg(label.enumlabel::text ORDER BY label.enumsortorder) AS "labels"
     FROM pg_type AS type JOIN pg_enum AS label ON label.enumtypid = type.oid
     WHERE type.typnamespace = '${realSchema}'::regnamespace
     GROUP BY type.typname`,
  )
  return rows
}

export interface Column {
  name: string
  /** Of an enum's; null: any other, which is the same in both schemas. */
  type: string | null
}

/** In their order. */
export async function listColumns(client: Querying, table: TrainingTable): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `SELECT attname AS "name", CASE WHEN type.typtype = 'e' THEN type.typname END AS "type"
     FROM pg_attribute JOIN pg_type AS type ON type.oid = atttypid
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum`,
    [realTable(table)],
  )
  return rows
}

/** The columns of a table for one of the other schema. */
async function selectAs(client: Querying, table: TrainingTable, schema: Schema): Promise<string> {
  const columns = await listColumns(client, table)
  return columns
    .map(({ name, type }) => (type === null ? `"${name}"` : `"${name}"::text::${schema}."${type}"`))
    .join(', ')
}

async function keepStored(client: pg.PoolClient, runId: string): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT FROM ${realTable('Run')} AS stored LEFT JOIN ${sideTable('Run')} AS made USING ("id")
     WHERE "id" = $1 AND stored."lastCursor" > COALESCE(made."lastCursor", -1)`,
    [runId],
  )
  if (rows.length === 0) return false
  for (const table of trainingTables) {
    const [from, to, run] = [realTable(table), sideTable(table), runColumn(table)]
    await client.query(`DELETE FROM ${to} WHERE ${run} = $1`, [runId])
    const select = await selectAs(client, table, sideSchema)
    await client.query(`INSERT INTO ${to} SELECT ${select} FROM ${from} WHERE ${run} = $1`, [runId])
  }
  return true
}

async function inTransaction<T>(pool: pg.Pool, action: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const result = await action(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    // Where the connection is gone, so is the transaction.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  } finally {
    client.release()
  }
}

interface ForeignKey {
  table: TrainingTable
  name: string
  definition: string
}

async function replaceTables(client: pg.PoolClient, onTable: (table: TrainingTable) => void): Promise<void> {
  const keys = await listForeignKeys(client)
  // Checked once behind the rows, all together, rather than with each.
  for (const { table, name } of keys) await client.query(`ALTER TABLE ${realTable(table)} DROP CONSTRAINT "${name}"`)
  await client.query(`TRUNCATE ${trainingTables.map(realTable).join(', ')}`)
  for (const table of trainingTables) {
    onTable(table)
    const key = await primaryKeyOf(client, table)
    const order = key.map((column) => `"${column}"`).join(', ')
    const select = await selectAs(client, table, realSchema)
    await client.query(`INSERT INTO ${realTable(table)} SELECT ${select} FROM ${sideTable(table)} ORDER BY ${order}`)
  }
  for (const { table, name, definition } of keys) {
    await client.query(`ALTER TABLE ${realTable(table)} ADD CONSTRAINT "${name}" ${definition}`)
  }
}

async function listForeignKeys(client: pg.PoolClient): Promise<ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(
    `SELECT owner.relname AS "table", conname AS "name", pg_get_constraintdef(con.oid) AS "definition"
     FROM pg_constraint AS con JOIN pg_class AS owner ON owner.oid = con.conrelid
     WHERE con.contype = 'f' AND con.connamespace = '${realSchema}'::regnamespace AND owner.relname = ANY($1)
     ORDER BY 1, 2`,
    [trainingTables],
  )
  return rows
}

/** Its columns, in order. */
export async function primaryKeyOf(client: Querying, table: TrainingTable): Promise<string[]> {
  const { rows } = await client.query<{ column: string }>(
    `SELECT attribute.attname AS "column"
     FROM pg_index AS key
     CROSS JOIN LATERAL unnest(key.indkey) WITH ORDINALITY AS part("number", "place")
     JOIN pg_attribute AS attribute ON attribute.attrelid = key.indrelid AND attribute.attnum = part."number"
     WHERE key.indrelid = $1::regclass AND key.indisprimary
     ORDER BY part."place"`,
    [realTable(table)],
  )
  return rows.map(({ column }) => column)
}

function guardLost(): TrainqlError {
  return new TrainqlError({
    code: 'DATABASE_UNAVAILABLE',
    message: 'The connection that keeps other servers from the PostgreSQL database broke; nothing was changed.',
    fix: 'Run it again once the database is reachable.',
  })
}
