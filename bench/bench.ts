// What a bench is: a name, the rows it can measure, and the figures it gives for each.

export interface Row {
  name: string
  unit: string
  ours: number | null
  peer: number | null
  /** Ours against the peer, higher is better; null where there is no peer. */
  ratio: number | null
  /** The figure itself where there is no peer. */
  value: number | null
  /** What one must know to judge or repeat the row: settings, memory, spread. */
  detail: Record<string, string | number | boolean | null>
}

export interface BenchOptions {
  /** Only rows whose name matches. */
  rows: readonly string[]
  /** Measured rounds; each side trains once in each. */
  rounds: number
  /** A line of progress for people. */
  note: (line: string) => void
}

export interface Bench {
  name: string
  /** One sentence for `--list`. */
  description: string
  rowNames: readonly string[]
  run: (options: BenchOptions) => Promise<Row[]>
}

/** An expected failure of a bench: what is missing and what to do. No figure is reported then. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}
