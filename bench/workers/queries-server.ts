// The server whose queries are measured: the real one, which also tells which statements it sent to the database meanwhile,
// and how the database carried each of them out.
//
// Arguments: data directory, URL of a PostgreSQL server or nothing. Requests: `watch` to begin, `explain` to end and be told.
import { createInterface } from 'node:readline'
import pg from 'pg'
import { z } from 'zod'
import { readConfig } from '../../src/server/config.ts'
import { startServer } from '../../src/server/start.ts'
import { deviceCount } from '../queries/population.ts'
import { explainSchema, summarise } from '../queries/plans.ts'

interface Statement {
  client: pg.Client
  text: string
  values: unknown[]
}

const [home = '', databaseUrl = ''] = process.argv.slice(2)
let watched: Statement[] | null = null

type Query = (this: pg.Client, config: unknown, values?: unknown, ...rest: unknown[]) => unknown
const prototype = pg.Client.prototype as unknown as { query: Query }
const { query } = prototype
prototype.query = function (config, values, ...rest) {
  const { text, values: own } = (typeof config === 'string' ? { text: config } : config) as {
    text?: string
    values?: unknown[]
  }
  if (text !== undefined && /^\s*\(?\s*(?:SELECT|WITH)\b/i.test(text))
    watched?.push({ client: this, text, values: own ?? (Array.isArray(values) ? values : []) })
  return query.call(this, config, values, ...rest)
}

async function rowsOf({ client, text, values }: Statement): Promise<Record<string, unknown>[]> {
  return ((await query.call(client, { text, values })) as pg.QueryResult<Record<string, unknown>>).rows
}

async function explain(statements: readonly Statement[]): Promise<object[]> {
  const [first] = statements
  if (first === undefined) return []
  const sizes = `SELECT relname AS name, reltuples AS rows FROM pg_class WHERE relkind = 'r'`
  const tables = z
    .array(z.object({ name: z.string(), rows: z.number() }))
    .parse(await rowsOf({ ...first, text: sizes, values: [] }))
  const tableRows = new Map(tables.map(({ name, rows }) => [name, rows]))
  const told: object[] = []
  for (const statement of statements) {
    const [row] = await rowsOf({ ...statement, text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${statement.text}` })
    told.push({ statement: labelOf(statement.text), ...summarise(explainSchema.parse(row?.['QUERY PLAN']), tableRows) })
  }
  return told
}

/** The first table that it reads, and what it asks of it. */
function labelOf(text: string): string {
  const [, table = ''] = /FROM\s+(?:"public"\.)?"(\w+)"/i.exec(text) ?? []
  return /COUNT\(/i.test(text) ? `count of ${table}` : table
}

const complain = (line: string, error?: unknown) =>
  void process.stderr.write(`${line} ${error instanceof Error ? error.message : ''}\n`)
const server = await startServer({
  ...readConfig({
    TRAINQL_HOME: home,
    TRAINQL_PORT: '0',
    TRAINQL_CPU_DEVICES: String(deviceCount),
    DATABASE_URL: databaseUrl,
  }),
  log: { debug: () => undefined, info: () => undefined, warn: complain, error: complain },
})
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
for await (const line of createInterface({ input: process.stdin })) {
  const { request } = z.object({ request: z.enum(['watch', 'explain']) }).parse(JSON.parse(line))
  const statements = watched ?? []
  watched = request === 'watch' ? [] : null
  const plans = request === 'watch' ? [] : await explain(statements)
  process.stdout.write(`${JSON.stringify({ plans })}\n`)
}
await server.close()
process.exit(0)
