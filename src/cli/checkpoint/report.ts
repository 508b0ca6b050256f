// A load report in lines: what matched, and what did not.
import type { LoadReport } from '../../shared/load-report.ts'
import { formatCount } from '../terminal/format.ts'
import type { Style } from '../terminal/screen.ts'

const namesShown = 6

/** What was loaded and what was not; nothing where all matched. */
export function renderDifferences(report: LoadReport): [label: string, value: string][] {
  const rows: [string, string][] = []
  const add = (label: string, items: readonly string[]): void => {
    items.slice(0, namesShown).forEach((item, index) => rows.push([index === 0 ? label : '', item]))
    if (items.length > namesShown) rows.push(['', `and ${formatCount(items.length - namesShown)} more`])
  }
  add('missing', report.missing)
  add('unexpected', report.unexpected)
  add(
    'shape',
    report.shapeMismatch.map(
      ({ name, expected, found }) => `${name}: expected ${formatShape(expected)}, found ${formatShape(found)}`,
    ),
  )
  add('fresh weights', report.reinitialised)
  add('adapted', report.adapted)
  add('assumed 0', report.assumedZero)
  return rows
}

/** `118 of 122`: what the model has, and how much of it the file filled. */
export function renderMatched({ matched, missing, shapeMismatch, reinitialised }: LoadReport): string {
  const wanted = matched.length + missing.length + shapeMismatch.length + reinitialised.length
  return `${formatCount(matched.length)} of ${formatCount(wanted)} tensors`
}

/** `64 x 3 x 7 x 7`; `scalar` where it has no axis. */
export function formatShape(shape: readonly number[]): string {
  return shape.length === 0 ? 'scalar' : shape.join(' x ')
}

/** In front of the line that says how it ended. */
export function mark(fine: boolean, style: Style): string {
  if (fine) return style.green(style.unicode ? '✔' : 'ok')
  return style.red(style.unicode ? '✘' : 'x')
}

export function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}
