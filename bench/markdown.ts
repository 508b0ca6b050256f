// A bench's rows as the tables of docs/benchmarks.md, so that nobody types a figure.
import type { Detail, MeasuredRow, Row } from './bench.ts'
import { figure, heading, mebibytes, percent } from './report.ts'
import type { Result } from './result.ts'

type Column = readonly [title: string, cell: (row: MeasuredRow) => string]

const besidePeer: readonly Column[] = [
  ['row', ({ name }) => `\`${name}\``],
  ['ours', ({ ours }) => figure(ours)],
  ['PyTorch', ({ peer }) => figure(peer)],
  ['unit', ({ unit }) => unit],
  ['ratio', ({ ratio }) => (ratio === null ? '' : `${ratio.toFixed(2)}x`)],
  ['asked', ({ bar }) => (bar === null ? '' : String(bar))],
  ['share of peak', ({ detail }) => pair(share(detail, 'oursShareOfPeak'), share(detail, 'peerShareOfPeak'))],
  ['peak memory', ({ detail }) => pair(mebibytes(detail['oursPeakBytes']), mebibytes(detail['peerPeakBytes']))],
  ['of theirs', ({ detail }) => share(detail, 'memoryShare')],
]

const alone: readonly Column[] = [
  ['row', ({ name }) => `\`${name}\``],
  ['value', ({ value }) => figure(value)],
  ['unit', ({ unit }) => unit],
  ['asked', ({ bar }) => (bar === null ? '' : String(bar))],
]

export function markdown(result: Result): string {
  const measured = result.rows.filter((row) => row.status === 'measured')
  const [compared, single] = [
    measured.filter(({ peer }) => peer !== null),
    measured.filter(({ peer }) => peer === null),
  ]
  const parts = [heading(result).replaceAll('\n', '  \n')]
  if (compared.length > 0) parts.push(grid(besidePeer, compared))
  if (single.length > 0) parts.push(grid(alone, single))
  const notes = result.rows.flatMap(noteOf)
  if (notes.length > 0) parts.push(notes.join('\n'))
  return parts.join('\n\n')
}

/** Where a row has no figure, why; else the details that are words worth a line. */
function noteOf(row: Row): string[] {
  if (row.status !== 'measured') return [`- \`${row.name}\`: ${row.status}: ${row.reason.replaceAll('\n', ' ')}`]
  const told = Object.entries(row.detail)
    .filter(([key]) => keysInNotes.has(key))
    .flatMap(([key, value]) => (value === null ? [] : [`${keysInNotes.get(key)} ${words(key, value)}`]))
  return told.length === 0 ? [] : [`- \`${row.name}\`: ${told.join('; ')}`]
}

const keysInNotes = new Map([
  ['peerSettings', 'PyTorch:'],
  ['furthestBelowPeak', 'furthest below peak:'],
  ['updateShare', 'all-reduce and update'],
  ['twoDevicesImagesPerSecond', 'images/s on two devices'],
  ['oneDeviceImagesPerSecond', 'images/s on one device'],
  ['ofEachStart', 'of each start'],
  ['memoryShareWithoutRuntimes', 'memory without what both take before they have a model:'],
  ['oursIdleShare', 'engine idle'],
  ['loader', 'PyTorch reads by'],
  ['fp32Accuracy', 'fp32'],
  ['bf16Accuracy', 'bf16'],
  ['ofThem', 'of them'],
  ['told', 'events'],
  ['duringRuns', 'during runs'],
  ['whileStarting', 'while it started'],
  ['skipped', 'not possible here:'],
])

function words(key: string, value: string | number | boolean): string {
  if (typeof value !== 'number') return String(value)
  return key.includes('Share') ? share({ [key]: value }, key) : figure(value)
}

function share(detail: Detail, key: string): string {
  const value = detail[key]
  return typeof value === 'number' ? percent(value) : ''
}

function pair(ours: string, theirs: string): string {
  return theirs === '' ? ours : `${ours} / ${theirs}`
}

/** Padded as prettier pads it, figures to the right. */
function grid(columns: readonly Column[], rows: readonly MeasuredRow[]): string {
  const cells = rows.map((row) => columns.map(([, cell]) => cell(row)))
  const widths = columns.map(([title], index) =>
    Math.max(3, title.length, ...cells.map((line) => line[index]?.length ?? 0)),
  )
  const line = (values: readonly string[]) =>
    `| ${values.map((value, at) => (at === 0 ? value.padEnd(widths[at] ?? 0) : value.padStart(widths[at] ?? 0))).join(' | ')} |`
  const rule = widths.map((width, index) => (index === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(columns.map(([title]) => title)), line(rule), ...cells.map(line)].join('\n')
}
