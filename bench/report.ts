// A bench's rows as a table for people.
import type { Row } from './bench.ts'
import type { Machine } from './machine.ts'

export function table(rows: readonly Row[]): string {
  const header = ['row', 'ours', 'peer', 'unit', 'ratio', 'memory', 'peer memory']
  const lines = rows.map(({ name, unit, ours, peer, ratio, value, detail }) => [
    name,
    figure(ours ?? value),
    figure(peer),
    unit,
    ratio === null ? '' : `${ratio.toFixed(2)}x`,
    bytes(detail['oursPeakBytes']),
    bytes(detail['peerPeakBytes']),
  ])
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  )
  return [header, ...lines]
    .map((line) =>
      line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))),
    )
    .map((line) => line.join('  ').trimEnd())
    .join('\n')
}

/** What the rows have in common once, and each row's own settings. */
export function footnotes(rows: readonly Row[]): string {
  return rows
    .map(({ name, detail }) => {
      const shown = Object.entries(detail).filter(([key]) => !key.endsWith('Bytes'))
      return `${name}: ${shown.map(([key, value]) => `${key} ${format(value)}`).join('; ')}`
    })
    .join('\n')
}

export function describe({ cpu, cores, memoryBytes, isa, os, node }: Machine): string {
  return `${cpu}, ${cores} cores, ${bytes(memoryBytes)}, ${isa.join(' ')}; ${os}; Node ${node}`
}

function figure(value: number | null): string {
  if (value === null) return ''
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(4)
}

function bytes(value: string | number | boolean | null | undefined): string {
  if (typeof value !== 'number') return ''
  return value >= 10 * 1024 ** 3 ? `${(value / 1024 ** 3).toFixed(0)} GiB` : `${Math.round(value / 1024 ** 2)} MiB`
}

function format(value: string | number | boolean | null): string {
  return typeof value === 'number' && !Number.isInteger(value) ? value.toPrecision(3) : String(value)
}
