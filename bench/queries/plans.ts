// What the database says it did for a statement (`EXPLAIN (ANALYZE, BUFFERS)`), in a line.
import { z } from 'zod'

const basePlan = z.looseObject({
  'Node Type': z.string(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  'Scan Direction': z.string().optional(),
  'Actual Rows': z.number(),
  'Actual Loops': z.number(),
  'Rows Removed by Filter': z.number().optional(),
  'Shared Hit Blocks': z.number().default(0),
  'Shared Read Blocks': z.number().default(0),
})
type Plan = z.output<typeof basePlan> & { Plans?: Plan[] | undefined }
const planSchema: z.ZodType<Plan> = basePlan.extend({
  get Plans() {
    return z.array(planSchema).optional()
  },
})

export const explainSchema = z.tuple([z.object({ Plan: planSchema, 'Execution Time': z.number() })])

export interface PlanSummary {
  /** Of the outermost node. */
  node: string
  /** How each table is read: by which index, or whole. */
  access: string[]
  rows: number
  /** Blocks of 8 KiB, found in memory or read from the disk. */
  blocks: number
  milliseconds: number
  /** Large tables that are read whole. */
  wholeTables: string[]
}

/** A table of more rows is large. */
export const largeTableRows = 5_000

/** @param tableRows how many rows a table has */
export function summarise(
  [{ Plan: top, 'Execution Time': milliseconds }]: z.output<typeof explainSchema>,
  tableRows: ReadonlyMap<string, number>,
): PlanSummary {
  const scans = nodesOf(top).filter(({ 'Relation Name': table, 'Index Name': index }) => (table ?? index) !== undefined)
  const isLarge = (table: string | undefined): table is string =>
    table !== undefined && (tableRows.get(table) ?? 0) > largeTableRows
  const whole = scans
    // Behind a LIMIT a scan may end early.
    .filter((scan) => scan['Node Type'] === 'Seq Scan' && scan['Actual Loops'] > 0)
    .flatMap((scan) => (isLarge(scan['Relation Name']) ? [scan['Relation Name']] : []))
  return {
    node: top['Node Type'],
    access: [...new Set(scans.map(accessOf))],
    rows: top['Actual Rows'],
    blocks: top['Shared Hit Blocks'] + top['Shared Read Blocks'],
    milliseconds,
    wholeTables: [...new Set(whole)],
  }
}

function nodesOf(plan: Plan): Plan[] {
  return [plan, ...(plan.Plans ?? []).flatMap(nodesOf)]
}

function accessOf({
  'Node Type': type,
  'Relation Name': table,
  'Index Name': index,
  'Scan Direction': direction,
}: Plan): string {
  const backward = direction === 'Backward' ? ' backward' : ''
  return index === undefined ? `${type} ${table ?? ''}` : `${type} ${index}${backward}`
}
