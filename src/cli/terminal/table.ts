// Tables whose rows appear one by one, so widths are given rather than measured.

export interface Column<Row> {
  title: string
  width: number
  /** Default `right`, as numbers want. */
  align?: 'left' | 'right'
  cell: (row: Row) => string
}

export function renderHeader<Row>(columns: readonly Column<Row>[]): string {
  return columns.map(({ title, width, align }) => pad(title, width, align)).join('  ')
}

export function renderRow<Row>(columns: readonly Column<Row>[], row: Row): string {
  return columns.map(({ cell, width, align }) => pad(cell(row), width, align)).join('  ')
}

/** Name and values side by side, aligned: the first column to the left, the rest to the right. */
export function renderSideBySide(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  return rows.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, column === 0 ? 'left' : 'right'))
      .join('   ')
      .trimEnd(),
  )
}

function pad(text: string, width: number, align: 'left' | 'right' = 'right'): string {
  return align === 'left' ? text.padEnd(width) : text.padStart(width)
}

/** Columns as wide as their widest cell, all aligned to the left. */
export function renderRows(rows: readonly (readonly string[])[]): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(0, ...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, 'left'))
      .join('  ')
      .trimEnd(),
  )
}
