// A bench's rows as a table for people.
import type { Detail, Row } from './bench.ts'
import type { Machine } from './machine.ts'
import type { Result } from './result.ts'

const header = ['row', 'ours', 'peer', 'unit', 'ratio', 'at least', 'memory', 'peer memory']

export function table(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    if (row.status !== 'measured') return [row.name, '', '', row.status]
    const { name, unit, ours, peer, ratio, value, bar, detail } = row
    return [
      name,
      figure(ours ?? value),
      figure(peer),
      unit,
      ratio === null ? '' : `${ratio.toFixed(2)}x`,
      bar === null ? '' : String(bar),
      mebibytes(detail['oursPeakBytes']),
      mebibytes(detail['peerPeakBytes']),
    ]
  })
  return columns([header, ...lines])
}

/**
 * For each row that was taken apart: its parts as a table, and then which of them fall furthest below the peak.
 */
export function partTables(rows: readonly Row[]): string[] {
  return rows.flatMap((row) => {
    if (row.status !== 'measured' || row.parts === undefined) return []
    const titles = Object.keys(row.parts[0] ?? {})
    const lines = row.parts.map((part) => titles.map((title) => partFigure(title, part[title] ?? null)))
    const furthest = row.detail['furthestBelowPeak']
    const end = typeof furthest === 'string' ? [`furthest below the peak: ${furthest}`] : []
    return [[row.name, columns([titles.map((title) => partTitles.get(title) ?? title), ...lines]), ...end].join('\n')]
  })
}

const partTitles = new Map([
  ['forwardMs', 'forward ms'],
  ['backwardMs', 'backward ms'],
  ['shareOfStep', 'of step'],
  ['gflops', 'GFLOP/s'],
  ['shareOfPeak', 'of peak'],
])

const counts: ReadonlySet<string> = new Set(['injected', 'runs', 'lostEvents', 'doubledEvents', 'notBitEqual'])

function partFigure(title: string, value: Detail[string] | null): string {
  if (typeof value !== 'number') return value === null ? '' : String(value)
  if (counts.has(title)) return String(value)
  return title.startsWith('share') ? `${(100 * value).toFixed(1)} %` : value.toFixed(2)
}

/** The first column to the left, the others to the right. */
function columns(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))),
    )
    .map((line) => line.join('  ').trimEnd())
    .join('\n')
}

/** Each row's own settings, or why it has no figure. */
export function footnotes(rows: readonly Row[]): string {
  return rows
    .map((row) => {
      if (row.status !== 'measured') return `${row.name}: ${row.status}: ${row.reason}`
      const shown = Object.entries(row.detail).filter(([key]) => !key.endsWith('Bytes'))
      return `${row.name}: ${shown.map(([key, value]) => `${key} ${format(value)}`).join('; ')}`
    })
    .join('\n')
}

/** Which bench, when, on which machine, beside which peer. */
export function heading({ bench, date, machine, rows }: Result): string {
  const peers = rows.flatMap((row) => (row.status === 'measured' ? [row.detail['peer']] : []))
  const named = [...new Set(peers.filter((peer) => typeof peer === 'string'))]
  return `${bench}, ${date}\n${[describe(machine), ...named].join('; ')}`
}

export function describe({ cpu, cores, memoryBytes, isa, os, node }: Machine): string {
  return `${cpu}, ${cores} cores, ${(memoryBytes / 1024 ** 3).toFixed(0)} GiB, ${isa.join(' ')}; ${os}; Node ${node}`
}

export function figure(value: number | null): string {
  if (value === null) return ''
  return value >= 1000 || Number.isInteger(value) ? Math.round(value).toLocaleString('en-US') : value.toPrecision(4)
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}

export function mebibytes(value: string | number | boolean | null | undefined): string {
  return typeof value === 'number' ? `${Math.round(value / 1024 ** 2)} MiB` : ''
}

function format(value: string | number | boolean | null): string {
  return typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(3) : String(value)
}
