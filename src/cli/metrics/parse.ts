// What a line of `trainql metrics` plans.
import { extname } from 'node:path'
import { optional, UsageError, type Values } from '../values.ts'

export interface MetricsPlan {
  command: 'metrics'
  run: string
  kind: 'STEPS' | 'EPOCHS'
  format: 'JSONL' | 'CSV'
  superseded: boolean
  /** `-`: standard output. Absent: as the server names it, in this folder. */
  out?: string
  replace: boolean
  /** Absent where the environment says. */
  server?: string
  json: boolean
}

const formats = { jsonl: 'JSONL', csv: 'CSV' } as const
const kinds = { steps: 'STEPS', epochs: 'EPOCHS' } as const

/** @throws UsageError */
export function parseMetrics(values: Values): MetricsPlan {
  const [run = ''] = values.arguments
  const out = values.text('out')
  const named = values.choice('format', ['jsonl', 'csv'])
  const plan: MetricsPlan = {
    command: 'metrics',
    run,
    kind: kinds[values.choice('kind', ['steps', 'epochs']) ?? 'steps'],
    format: named === undefined ? formatOf(out) : formats[named],
    superseded: values.flag('superseded') ?? true,
    ...optional('out', out),
    replace: values.flag('force') ?? false,
    ...optional('server', values.text('server')),
    json: values.flag('json') ?? false,
  }
  if (plan.json && out === '-') {
    throw new UsageError('--json and --out - both want standard output.', 'Leave out one of them.')
  }
  return plan
}

function formatOf(out: string | undefined): MetricsPlan['format'] {
  return extname(out ?? '').toLowerCase() === '.csv' ? 'CSV' : 'JSONL'
}
