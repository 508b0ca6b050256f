// What each command of `trainql checkpoint` asks the checkpoint process, and how its answer is shown.
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { askCheckpointProcess } from '../../shared/checkpoint-process.ts'
import type {
  CheckpointAnswer,
  CheckpointInspection,
  CheckpointRequestInput,
  ImportedCheckpoint,
} from '../../shared/checkpoint-tool.ts'
import { checkpointFolder, checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import { createSortableId } from '../../shared/sortable-id.ts'
import { CliFailure } from '../failure.ts'
import { refuseToReplace } from '../out-file.ts'
import { dataDirectory, displayPath } from '../places.ts'
import type { Style } from '../terminal/screen.ts'
import { renderDiagnosis, renderInspection, renderTensors, renderVerdict } from './inspection.ts'
import type { DoctorPlan, ExportPlan, ImportPlan, InspectPlan, PredictPlan, ProvePlan, VerifyPlan } from './parse.ts'
import { optional } from '../values.ts'
import { printable } from './printable.ts'
import { renderPredictions } from './predictions.ts'
import { indented } from './report.ts'
import { renderExported, renderImported, renderProof, renderRefusal, renderVerification } from './results.ts'

export type Ask = <Request extends CheckpointRequestInput>(
  request: Request,
) => ReturnType<typeof askCheckpointProcess<Request>>

export interface Outcome {
  /** What `--json` prints. */
  answer: object
  /** What is shown else. */
  lines: (style: Style) => string[]
  fine: boolean
}

type Failed = Extract<CheckpointAnswer, { kind: 'FAILED' }>

/** The process could not do it, and says why. */
export class Refused extends CliFailure {
  /** What `--json` prints. */
  readonly answer: Failed

  constructor(answer: Failed) {
    const { message, fix, report } = printable(answer)
    super([message, ...(report === null ? [] : renderRefusal(report))].join('\n'), fix)
    this.answer = answer
  }
}

export async function inspect({ file, target, tensors }: InspectPlan, ask: Ask): Promise<Outcome> {
  const answer = succeeded(await ask({ action: 'INSPECT', file, target }))
  const shown = printable(answer.inspection)
  return {
    answer,
    lines: (style) => [
      ...renderInspection(shown, style),
      ...(tensors ? ['', ...indented(renderTensors(shown.tensors))] : []),
      '',
      ...renderVerdict(shown, style),
    ],
    fine: shown.loads,
  }
}

export async function doctor(plan: DoctorPlan, ask: Ask): Promise<Outcome> {
  const { file, target, repair } = plan
  if (repair !== undefined) refuseToReplace(repair.out)
  const answer = succeeded(await ask({ action: 'INSPECT', file, target }))
  const shown = printable(answer.inspection)
  const repaired = repair === undefined || !isRepairable(shown) ? undefined : await writeRepaired(plan, repair, ask)
  return {
    answer: repair === undefined ? answer : { ...answer, repaired: repaired?.answer ?? null },
    lines: (style) => [
      ...renderInspection(shown, style),
      '',
      ...renderDiagnosis(shown, style),
      ...(repair === undefined ? [] : ['', ...(repaired?.lines(style) ?? [notRepaired(shown, repair.out)])]),
    ],
    fine: repair === undefined ? shown.loads : repaired !== undefined,
  }
}

/** What is too much can be left out; what is missing cannot be made up. */
function isRepairable({ problems }: CheckpointInspection): boolean {
  return problems.every(({ code, blocks }) => !blocks || code === 'UNEXPECTED_TENSORS')
}

function notRepaired({ file }: CheckpointInspection, out: string): string {
  return `${out} was not written: no copy of ${file} could mend that.`
}

/** Through a checkpoint folder, which is the canonical form, beside the file that is made of it. */
async function writeRepaired(
  { file, target }: DoctorPlan,
  { out, format }: NonNullable<DoctorPlan['repair']>,
  ask: Ask,
): Promise<Outcome> {
  if (format === 'FOLDER') return importTo({ action: 'IMPORT', file, folder: out, target, allowPartial: true }, ask)
  const folder = join(dirname(out), `.${basename(out)}.${process.pid}`)
  try {
    await importTo({ action: 'IMPORT', file, folder, target, allowPartial: true }, ask)
    return await exportTo({ action: 'EXPORT', file: folder, out, format }, ask)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export async function importFile({ file, to, home, target, allowPartial }: ImportPlan, ask: Ask): Promise<Outcome> {
  if (to !== undefined) {
    refuseToReplace(to)
    return importTo({ action: 'IMPORT', file, folder: to, target, allowPartial }, ask)
  }
  const reference = { kind: 'IMPORTED', id: createSortableId(new Date()) } as const
  const folder = checkpointFolder(home ?? dataDirectory(), reference)
  const { lines, ...outcome } = await importTo({ action: 'IMPORT', file, folder, target, allowPartial }, ask)
  return {
    ...outcome,
    lines: (style) => [...lines(style), ...indented([`a run begins with it as ${checkpointReferenceText(reference)}`])],
  }
}

async function importTo(request: Extract<CheckpointRequestInput, { action: 'IMPORT' }>, ask: Ask): Promise<Outcome> {
  const answer = succeeded(await ask(request))
  return { answer, lines: (style) => renderImported(printable(shorten(answer.imported)), style), fine: true }
}

function shorten(imported: ImportedCheckpoint): ImportedCheckpoint {
  return { ...imported, folder: displayPath(imported.folder, process.cwd()) }
}

export async function exportFile(plan: ExportPlan, ask: Ask): Promise<Outcome> {
  const { file, out, format, modulePrefix, trainingFile, foldBatchNorm, replace } = plan
  if (!replace) refuseToReplace(out, 'Name another, or add --force to replace it.')
  return exportTo({ action: 'EXPORT', file, out, format, modulePrefix, trainingFile, foldBatchNorm }, ask)
}

async function exportTo(request: Extract<CheckpointRequestInput, { action: 'EXPORT' }>, ask: Ask): Promise<Outcome> {
  const answer = succeeded(await ask(request))
  return { answer, lines: (style) => renderExported(printable(answer.exported), style), fine: true }
}

export async function verify({ folder }: VerifyPlan, ask: Ask): Promise<Outcome> {
  refuseUnlessFolder(folder)
  const answer = succeeded(await ask({ action: 'VERIFY', folder }))
  const shown = printable(answer.verification)
  return { answer, lines: (style) => renderVerification(shown, style), fine: shown.intact }
}

function refuseUnlessFolder(folder: string): void {
  if (existsSync(join(folder, 'manifest.json'))) return
  throw new CliFailure(
    `${folder} is no checkpoint folder: there is no manifest.json in it.`,
    'Name the folder itself, such as RUN/checkpoints/1-00000235; `trainql checkpoint inspect` looks at files.',
  )
}

/** The request is one argument of a process, of which Linux takes 128 KiB. */
const mostPathBytes = 100_000

export async function predict({ checkpoint, images, top, imageSize }: PredictPlan, ask: Ask): Promise<Outcome> {
  refuseUnlessFolder(checkpoint)
  if (Buffer.byteLength(JSON.stringify(images)) > mostPathBytes) {
    throw new CliFailure(
      `Expected fewer names of images; got ${images.length}.`,
      'Name the folder that holds them, or ask for some at a time.',
    )
  }
  const request = { ...optional('top', top), ...optional('imageSize', imageSize) }
  const answer = succeeded(await ask({ action: 'PREDICT', folder: checkpoint, images: [...images], ...request }))
  const shown = printable(answer.predictions)
  const fine = shown.images.every(({ problem }) => problem === null)
  return { answer, lines: (style) => renderPredictions(shown, style), fine }
}

export async function prove({ runDirectory, checkpoint, steps, devices }: ProvePlan, ask: Ask): Promise<Outcome> {
  const answer = succeeded(await ask({ action: 'PROVE', runDirectory, checkpoint, steps, devices }))
  const shown = printable(answer.proof)
  return { answer, lines: (style) => renderProof(shown, style), fine: shown.matches }
}

function succeeded<Answer extends CheckpointAnswer>(answer: Answer | Failed): Exclude<Answer, Failed> {
  if (answer.kind === 'FAILED') throw new Refused(answer)
  return answer as Exclude<Answer, Failed>
}
