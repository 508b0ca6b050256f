// What an import, an export, a verification or a proof came to, in lines for a terminal.
import type {
  CheckpointProof,
  CheckpointVerification,
  ExportedCheckpoint,
  ImportedCheckpoint,
} from '../../shared/checkpoint-tool.ts'
import type { LoadReport } from '../../shared/load-report.ts'
import { counted, formatBytes } from '../terminal/format.ts'
import type { Style } from '../terminal/screen.ts'
import { renderRows } from '../terminal/table.ts'
import { indented, mark, renderDifferences, renderMatched } from './report.ts'

export function renderImported(
  { folder, bytes, sha256, hasOptimizer, report }: ImportedCheckpoint,
  style: Style,
): string[] {
  const rows: [string, string][] = [
    ['matched', renderMatched(report)],
    ...renderDifferences(report),
    ...(report.strippedPrefix === '' ? [] : ([['prefix', `${report.strippedPrefix} taken off`]] as [string, string][])),
    ['optimizer', hasOptimizer ? 'its state came along' : 'none'],
    ['sha-256', `${sha256}  ${style.dim('model.safetensors')}`],
  ]
  return [
    `${mark(true, style)} ${style.bold(folder)}  ${report.description}  ${style.dim(formatBytes(bytes))}`,
    ...indented(renderRows(rows)),
  ]
}

export function renderExported({ out, bytes, sha256 }: ExportedCheckpoint, style: Style): string[] {
  return [
    `${mark(true, style)} ${style.bold(out)}  ${style.dim(formatBytes(bytes))}`,
    ...indented(renderRows([['sha-256', sha256]])),
  ]
}

export function renderVerification({ folder, intact, files }: CheckpointVerification, style: Style): string[] {
  const rows = files.map(({ name, bytes, intact: whole }) => [
    name,
    formatBytes(bytes),
    whole ? 'intact' : style.red('damaged'),
  ])
  const damaged = files.filter((file) => !file.intact)
  return [
    `${mark(intact, style)} ${style.bold(folder)}  ${intact ? 'every file is what the manifest says' : 'damaged'}`,
    ...indented(renderRows(rows)),
    ...damaged.flatMap(({ name, expected, found }) =>
      indented([`${name}: expected ${expected}`, `${' '.repeat(name.length)}  found    ${found}`]),
    ),
  ]
}

export function renderProof(proof: CheckpointProof, style: Style): string[] {
  const {
    checkpoint,
    fromStep,
    toStep,
    devices,
    lossesCompared,
    comparedWith,
    tensorsCompared,
    matches,
    firstDifference,
    caveats,
  } = proof
  const steps = toStep === fromStep + 1 ? `step ${toStep}` : `steps ${fromStep + 1} to ${toStep}`
  const begin = checkpoint === null ? 'the initial weights' : `checkpoint ${checkpoint}`
  const compared = [
    counted(lossesCompared, 'loss', 'losses'),
    ...(comparedWith === null ? [] : [`${counted(tensorsCompared, 'tensor')} of checkpoint ${comparedWith}`]),
  ].join(' and ')
  return [
    matches
      ? `${mark(true, style)} ${style.bold('bit-equal')}: ${compared}`
      : `${mark(false, style)} ${style.bold('not equal')}`,
    ...indented([
      ...(firstDifference === null
        ? []
        : [
            `first difference: ${firstDifference.what} at step ${firstDifference.step}`,
            `expected ${formatNumber(firstDifference.expected)}, found ${formatNumber(firstDifference.found)}`,
          ]),
      `${steps}, from ${begin}, on ${devices.join(', ')}`,
      ...caveats.map((caveat) => `note: ${caveat}`),
    ]),
  ]
}

/** Why a load was refused, below the message. */
export function renderRefusal(report: LoadReport): string[] {
  return indented(
    renderRows([['the file is', report.description], ['matched', renderMatched(report)], ...renderDifferences(report)]),
  )
}

/** All digits: two numbers that differ in the last bit look different. */
function formatNumber(value: number | null): string {
  return value === null ? 'no finite number' : String(value)
}
