// What a checkpoint file is, in lines for a terminal.
import type { CheckpointInspection, CheckpointProblem } from '../../shared/checkpoint-tool.ts'
import type { CheckpointFormat, CheckpointLayout } from '../../shared/load-report.ts'
import { counted, formatBytes, formatCount, wrap } from '../terminal/format.ts'
import type { Style } from '../terminal/screen.ts'
import { renderRows } from '../terminal/table.ts'
import { formatShape, mark, renderMatched } from './report.ts'

const formatNames: Record<CheckpointFormat, string> = {
  SAFETENSORS: 'safetensors',
  TORCH_ZIP: 'PyTorch, zip (1.6 and newer)',
  TORCH_LEGACY: 'PyTorch, legacy (before 1.6)',
  TRAINQL: 'checkpoint folder of TrainQL',
}

const layoutNames: Record<CheckpointLayout, string> = {
  STATE_DICT: 'weights: tensors by name',
  TRAINING_FILE: 'training file: weights beside epoch, optimiser and such',
  LIGHTNING: 'Lightning checkpoint',
  WHOLE_MODEL: 'whole pickled model',
}

/** Name and size, then a fact a line. */
export function renderInspection(inspection: CheckpointInspection, style: Style): string[] {
  const { file, bytes, format, layout, report, parameters, tensors, optimizer, facts } = inspection
  const { foundAt = '', strippedPrefix = '', deviceTags = [] } = report ?? {}
  const rows: [string, string][] = [
    ['format', format === null ? 'none that is known' : formatNames[format]],
    ...row('content', layout === null ? null : layoutNames[layout]),
    ...row('found at', foundAt === '' ? null : foundAt),
    ...row('model', report === null ? null : report.description),
    ...row('parameters', tensors.length === 0 ? null : formatCount(parameters)),
    ...row('tensors', tensors.length === 0 ? null : describeTensors(tensors)),
    ...row('prefix', strippedPrefix === '' ? null : `${strippedPrefix} ${style.dim('(taken off every name)')}`),
    ...row('devices', deviceTags.length === 0 ? null : `${deviceTags.join(', ')} ${style.dim('(ignored)')}`),
    ...row('optimizer', optimizer === null ? null : describeOptimizer(optimizer)),
    ...row('epoch', facts.epoch === null ? null : formatCount(facts.epoch)),
    ...row('arch', facts.arch === null ? null : `${facts.arch} ${style.dim('(as the file says)')}`),
    ...row('best accuracy', facts.bestAccuracy === null ? null : formatAccuracy(facts.bestAccuracy)),
  ]
  return [`${style.bold(file)}  ${formatBytes(bytes)}`, '', ...renderRows(rows).map((line) => `  ${line}`)]
}

/** One line that says whether it loads; where it does not, why and what to do. */
export function renderVerdict(inspection: CheckpointInspection, style: Style): string[] {
  const { problems, file } = inspection
  const [first] = problems.filter(({ blocks }) => blocks)
  return [
    renderHead(inspection, style),
    ...(first === undefined ? [] : renderProblem(first, style)),
    ...(first === undefined || problems.length === 1
      ? []
      : ['', style.dim(`All ${problems.length} findings: trainql checkpoint doctor ${file}`)]),
  ]
}

function renderHead({ loads, report }: CheckpointInspection, style: Style): string {
  if (!loads) return `${mark(false, style)} does not load`
  return `${mark(true, style)} loads${report === null ? '' : `: ${renderMatched(report)}`}`
}

/** Every finding: what hinders first, then what is worth knowing. */
export function renderDiagnosis(inspection: CheckpointInspection, style: Style): string[] {
  const { loads, problems } = inspection
  const blocking = problems.filter(({ blocks }) => blocks)
  const notes = problems.filter(({ blocks }) => !blocks)
  return [
    renderHead(inspection, style),
    ...blocking.flatMap((problem) => renderProblem(problem, style)),
    ...(notes.length === 0 ? [] : ['', loads ? 'No hindrance here, and worth knowing:' : 'Also worth knowing:']),
    ...notes.flatMap((problem) => renderProblem(problem, style)),
  ]
}

/** Its code, what it means, and the fix below. */
export function renderProblem({ code, message, fix, blocks }: CheckpointProblem, style: Style, width = 96): string[] {
  const head = blocks ? style.red(code) : style.bold(code)
  return [
    `  ${head}`,
    ...wrap(message, width).map((line) => `    ${line}`),
    ...wrap(`fix: ${fix}`, width).map((line) => `    ${style.dim(line)}`),
  ]
}

/** Name, dtype, shape and device of each. */
export function renderTensors(tensors: CheckpointInspection['tensors']): string[] {
  return renderRows(tensors.map(({ name, dtype, shape, device }) => [name, dtype, formatShape(shape), device]))
}

function row(label: string, value: string | null): [string, string][] {
  return value === null ? [] : [[label, value]]
}

/** `122: 102 F32, 20 I64`. */
function describeTensors(tensors: CheckpointInspection['tensors']): string {
  const counts = new Map<string, number>()
  for (const { dtype } of tensors) counts.set(dtype, (counts.get(dtype) ?? 0) + 1)
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([dtype, count]) => `${formatCount(count)} ${dtype}`)
  return `${formatCount(tensors.length)}: ${parts.join(', ')}`
}

function describeOptimizer({ kind, step, tensors }: NonNullable<CheckpointInspection['optimizer']>): string {
  // SGD does not count its steps.
  return [kind, ...(step === 0 ? [] : [counted(step, 'step')]), `${counted(tensors, 'tensor')} of state`].join(', ')
}

/** As the file says: percent in PyTorch's example, a fraction elsewhere. */
function formatAccuracy(value: number): string {
  return String(Number(value.toPrecision(5)))
}
