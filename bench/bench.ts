// What a bench is: a name, the rows it can measure, and the figures it gives for each.

/** What one must know to judge or repeat a row: settings, memory, spread. */
export type Detail = Record<string, string | number | boolean | null>

export interface MeasuredRow {
  name: string
  status: 'measured'
  unit: string
  ours: number | null
  peer: number | null
  /** Ours against the peer, higher is better; null where there is no peer. */
  ratio: number | null
  /** The figure itself where there is no peer. */
  value: number | null
  /** What the project asks of `ratio`, else of `value`, else of `ours`; null where it asks nothing. */
  bar: number | null
  detail: Detail
  /** What the whole is made of, entries of the same keys, where a bench takes it apart. */
  parts?: Detail[] | undefined
}

/** A row without a figure: this machine cannot have it (skipped), or something went wrong (failed). */
export interface AbsentRow {
  name: string
  status: 'skipped' | 'failed'
  reason: string
}

export type Row = MeasuredRow | AbsentRow

export interface BenchOptions {
  /** Names of the rows to measure. */
  rows: readonly string[]
  /** Measured rounds; each side trains once in each. */
  rounds: number
  /** A line of progress for people. */
  note: (line: string) => void
  /** Those of the bench's own options that were given. */
  settings: Readonly<Record<string, string | undefined>>
}

export interface Bench {
  name: string
  /** One sentence for `--list`. */
  description: string
  rowNames: readonly string[]
  /** Options of its own, each with a value, and what they mean. */
  settings?: Readonly<Record<string, string>>
  /** Rows as they are done, so that what was measured is not lost with what comes after. */
  run: (options: BenchOptions) => AsyncIterable<Row>
}

/** An expected failure of a bench: what is missing and what to do. No figure is reported then. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}

/** The rows that `work` measures; where it cannot, rows that say why in their place. */
export async function rowsOrReason(names: readonly string[], work: () => Promise<Row[]>): Promise<Row[]> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    return names.map((name) => ({ name, status: 'failed', reason: error.message }))
  }
}

/** @throws BenchError where the text of an option is no whole number from 1 */
export function wholeNumber(name: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new BenchError(`Expected a whole number for --${name}; got "${text}".`)
}
