// What is stored against what the run directories give, row by row: by the database itself, which has both.
import type { TableDifference } from '../../shared/rebuild-process.ts'
import {
  type Column,
  listColumns,
  primaryKeyOf,
  realTable,
  runColumn,
  type SideTables,
  sideTable,
} from './side-tables.ts'
import { type TrainingTable, trainingTables } from './training-tables.ts'

export interface Comparison {
  /** Rows that differ, by table; tables without any are absent. */
  rows: { table: TrainingTable; count: number }[]
  /** The first of them, column by column. */
  first: TableDifference[]
  /** Runs of whose events only so many are stored: the server takes the rest over when it starts. */
  behind: string[]
}

/** Rows of these are only ever added, in the order of their cursors. */
const growing: ReadonlySet<TrainingTable> = new Set(['Event', 'StepMetrics'])

/**
 * Of a run that is behind what is stored must be right as far as it goes: its events are compared up to the last that is
 * stored, the rest of it is not.
 * @param limit of the differences that are told one by one
 */
export async function compareTables({ pool }: SideTables, limit: number): Promise<Comparison> {
  await pool.query(`CREATE TEMPORARY TABLE behind AS
    SELECT "id" AS "runId", stored."lastCursor"
    FROM ${realTable('Run')} AS stored JOIN ${sideTable('Run')} AS rebuilt USING ("id")
    WHERE stored."lastCursor" < rebuilt."lastCursor"`)
  const comparison: Comparison = { rows: [], first: [], behind: [] }
  for (const table of trainingTables) {
    const key = await primaryKeyOf(pool, table)
    const joined = joinedRows(table, key, await listColumns(pool, table))
    const { rows: counted } = await pool.query<{ count: string }>(`SELECT count(*) AS "count" ${joined}`)
    const count = Number(counted[0]?.count ?? 0)
    if (count === 0) continue
    comparison.rows.push({ table, count })
    const { rows } = await pool.query<RowPair>(
      `SELECT to_jsonb(stored) AS "stored", to_jsonb(rebuilt) AS "rebuilt" ${joined}
       ORDER BY ${key.map(quoted).join(', ')} LIMIT ${Math.max(0, limit - comparison.first.length)}`,
    )
    comparison.first.push(...rows.flatMap((pair) => differencesOf(table, key, pair)))
  }
  comparison.first.splice(limit)
  const { rows } = await pool.query<{ runId: string }>('SELECT "runId" FROM behind ORDER BY 1')
  comparison.behind = rows.map(({ runId }) => runId)
  return comparison
}

const quoted = (column: string): string => `"${column}"`

function joinedRows(table: TrainingTable, key: readonly string[], columns: readonly Column[]): string {
  const select = columns.map(({ name, type }) => (type === null ? quoted(name) : `${quoted(name)}::text`)).join(', ')
  const passed = growing.has(table) ? 'AND behind."lastCursor" < each."cursor"' : ''
  const counts = `NOT EXISTS (SELECT FROM behind WHERE behind."runId" = each.${runColumn(table)} ${passed})`
  return `FROM (SELECT ${select} FROM ${realTable(table)} AS each WHERE ${counts}) AS stored
    FULL JOIN (SELECT ${select} FROM ${sideTable(table)} AS each WHERE ${counts}) AS rebuilt
    USING (${key.map(quoted).join(', ')})
    WHERE ROW(stored.*) IS DISTINCT FROM ROW(rebuilt.*)`
}

type Row = Record<string, unknown>

interface RowPair {
  stored: Row | null
  rebuilt: Row | null
}

function differencesOf(table: TrainingTable, key: readonly string[], { stored, rebuilt }: RowPair): TableDifference[] {
  const row = (stored ?? rebuilt ?? {}) satisfies Row
  const name = key.map((column) => `${column}=${String(row[column])}`).join(' ')
  const difference = { table, key: name }
  if (stored === null || rebuilt === null) {
    return [{ ...difference, kind: stored === null ? 'MISSING' : 'EXTRA', column: null, stored: null, rebuilt: null }]
  }
  return Object.keys(stored)
    .map((column) => ({ column, stored: shown(stored[column]), rebuilt: shown(rebuilt[column]) }))
    .filter((each) => JSON.stringify(stored[each.column]) !== JSON.stringify(rebuilt[each.column]))
    .map((each) => ({ ...difference, kind: 'OTHER', ...each }))
}

const longestShown = 120

function shown(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length <= longestShown ? text : `${text.slice(0, longestShown)}…`
}
