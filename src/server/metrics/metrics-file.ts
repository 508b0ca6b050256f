// The text of a file of measurements: which columns it has, in which order, and how a row is written. Both formats give
// every number in the fewest digits that read back as the same double, and what is null or was not finite as nothing.

export const metricsKinds = ['STEPS', 'EPOCHS'] as const
export type MetricsKind = (typeof metricsKinds)[number]

export const metricsFormats = ['JSONL', 'CSV'] as const
export type MetricsFormat = (typeof metricsFormats)[number]

/** One row, of any kind. */
export type MetricsRow = Readonly<Record<string, number | boolean | Date | null>>

/** A file's columns, which may be added to at the end and never change places. */
export const metricsColumns: Record<MetricsKind, readonly string[]> = {
  STEPS: [...['attempt', 'epoch', 'step', 'loss', 'nonFinite', 'learningRate', 'imagesPerSecond', 'at'], 'superseded'],
  EPOCHS: [
    ...['attempt', 'epoch', 'step', 'trainLoss', 'validationLoss', 'accuracy', 'top5Accuracy', 'nonFinite'],
    ...['learningRate', 'imagesPerSecond', 'userSeconds', 'systemSeconds', 'wallSeconds', 'at', 'superseded'],
  ],
}

export const contentTypes: Record<MetricsFormat, string> = {
  JSONL: 'application/jsonl; charset=utf-8',
  CSV: 'text/csv; charset=utf-8; header=present',
}

/** What stands before the first row. */
export function fileHead(kind: MetricsKind, format: MetricsFormat): string {
  return format === 'CSV' ? `${metricsColumns[kind].join(',')}\n` : ''
}

/** Rows as lines, each with its newline. */
export function fileLines(kind: MetricsKind, format: MetricsFormat, rows: readonly MetricsRow[]): string {
  const columns = metricsColumns[kind]
  const line =
    format === 'CSV'
      ? (row: MetricsRow) => columns.map((column) => cell(row[column] ?? null)).join(',')
      : (row: MetricsRow) => JSON.stringify(Object.fromEntries(columns.map((column) => [column, row[column] ?? null])))
  return rows.map((row) => `${line(row)}\n`).join('')
}

/** None of them needs quotes. */
function cell(value: number | boolean | Date | null): string {
  if (value === null) return ''
  return value instanceof Date ? value.toISOString() : String(value)
}
