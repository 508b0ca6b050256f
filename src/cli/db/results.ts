// How far a rebuild is and what came of it, in words.
import type { RebuildProgress, RebuildResult, RefusedRun, TableDifference } from '../../shared/rebuild-process.ts'
import { indented } from '../checkpoint/report.ts'
import { counted, formatCount, formatDuration } from '../terminal/format.ts'
import type { Style } from '../terminal/screen.ts'
import { renderSideBySide } from '../terminal/table.ts'

const stages = { READING: 'reading', COMPARING: 'comparing', INSTALLING: 'storing' } as const

export function renderRebuildProgress({ stage, runs, ofRuns, events }: RebuildProgress): string {
  return `${stages[stage]}  ${formatCount(runs)} of ${counted(ofRuns, 'run')}  ${counted(events, 'event')}`
}

/** Whether everything is as it should be. */
export function isFine(result: RebuildResult): boolean {
  return result.refused.length === 0 && (result.kind === 'REBUILT' || result.differing.length === 0)
}

export function renderRebuild(result: RebuildResult, style: Style): string[] {
  const { counts, seconds, eventsPerSecond, refused, gone } = result
  const { runs, events, steps, checkpoints } = counts
  const made = result.kind === 'REBUILT' ? 'Rebuilt' : 'Read'
  return [
    `${style.bold(made)} ${counted(runs, 'run')} in ${formatDuration(seconds)}, ${formatCount(eventsPerSecond)} events/s:`,
    ...indented([
      `${counted(events, 'event')}, of them ${counted(steps, 'step')}; ${counted(checkpoints, 'checkpoint')}`,
    ]),
    ...(gone.length === 0 ? [] : ['', ...goneLines(result.kind, gone)]),
    ...(refused.length === 0 ? [] : ['', ...refused.flatMap((run) => refusedLines(run, style))]),
    ...(result.kind === 'REBUILT' ? [] : ['', ...comparisonLines(result, style)]),
  ]
}

function goneLines(kind: RebuildResult['kind'], gone: readonly string[]): string[] {
  const [is, whose] = gone.length === 1 ? ['is', 'its'] : ['are', 'their']
  const becomes = kind === 'REBUILT' ? `${is} not in the database any more` : `would be dropped`
  return [`${counted(gone.length, 'run')} without ${whose} directory ${becomes}:`, ...indented([...gone])]
}

const keptWords = {
  STORED: 'what was stored of it is kept',
  READ: 'what comes before that is taken',
  NOTHING: 'it is not in the database',
} as const satisfies Record<RefusedRun['kept'], string>

function refusedLines({ run, message, fix, kept }: RefusedRun, style: Style): string[] {
  return [`${style.red('not whole')}  ${run}: ${keptWords[kept]}`, ...indented([message, `fix: ${fix}`])]
}

function comparisonLines(result: Extract<RebuildResult, { kind: 'CHECKED' }>, style: Style): string[] {
  const { differing, first, behind } = result
  const late =
    behind.length === 0
      ? []
      : [`${counted(behind.length, 'run')} went on since the server stopped: its next start takes that over.`]
  if (differing.length === 0) {
    return [...late, `${style.green('Equal')}: every row that is stored is the one that the run directories give.`]
  }
  const total = differing.reduce((sum, { count }) => sum + count, 0)
  const told = first.length === 0 ? [] : ['', ...first.map(differenceLine)]
  return [
    ...late,
    `${style.red('Different')}: ${counted(total, 'row')}. Nothing was changed.`,
    ...indented(renderSideBySide(differing.map(({ table, count }) => [table, formatCount(count)]))),
    ...told,
    '',
    'To make the rows anew: trainql db rebuild',
  ]
}

function differenceLine({ table, key, kind, column, stored, rebuilt }: TableDifference): string {
  const row = `${table} ${key}`
  switch (kind) {
    case 'MISSING':
      return `${row}: is not stored`
    case 'EXTRA':
      return `${row}: is stored, and not in the directories`
    case 'OTHER':
      return `${row}: ${column ?? ''} is ${stored ?? ''}, and should be ${rebuilt ?? ''}`
    default:
      return kind satisfies never
  }
}
