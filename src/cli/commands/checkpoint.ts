// `trainql checkpoint`: asks the checkpoint process, without a server, and shows what it answers.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { askCheckpointProcess } from '../../shared/checkpoint-process.ts'
import { checkpointFolder, findCheckpointReference, runsFolder } from '../../shared/checkpoint-reference.ts'
import { isTrainqlError } from '../../shared/errors.ts'
import {
  doctor,
  exportFile,
  importFile,
  inspect,
  predict,
  prove,
  Refused,
  verify,
  type Ask,
  type Outcome,
} from '../checkpoint/actions.ts'
import type { CheckpointPlan } from '../checkpoint/parse.ts'
import { renderReadProgress } from '../checkpoint/progress.ts'
import { CliFailure } from '../failure.ts'
import { watchInterruption } from '../interruption.ts'
import { dataDirectory } from '../places.ts'
import { createScreen, type Streams } from '../terminal/screen.ts'

/**
 * Resolves with the exit code: 1 where a file would not load or something does not match.
 * @throws CliFailure, TrainqlError; the interruption, once nothing half written is left
 */
export async function checkpoint(plan: CheckpointPlan, { stdout, stderr }: Streams): Promise<number> {
  const screen = createScreen(plan.json ? stderr : stdout, process.env)
  const interruption = watchInterruption()
  let errors = ''
  const ask: Ask = async (request) => {
    try {
      return await askCheckpointProcess(request, {
        signal: interruption.asked,
        onStderr: (text) => (errors += text),
        onProgress: (progress) => screen.status(renderReadProgress(progress, screen)),
      })
    } finally {
      screen.status()
    }
  }
  try {
    const { answer, lines, fine } = await carryOut(locate(plan), ask)
    if (plan.json) stdout.write(`${JSON.stringify(answer)}\n`)
    else for (const line of lines(screen.style)) screen.line(line)
    return fine ? 0 : 1
  } catch (error) {
    // A bug of ours: what it said belongs into the report.
    if (codeOf(error) === 'INTERNAL') stderr.write(errors)
    if (!plan.json || !(error instanceof Refused)) throw error
    stdout.write(`${JSON.stringify(error.answer)}\n`)
    return 1
  } finally {
    interruption.dispose()
  }
}

function carryOut(plan: CheckpointPlan, ask: Ask): Promise<Outcome> {
  switch (plan.action) {
    case 'inspect':
      return inspect(plan, ask)
    case 'doctor':
      return doctor(plan, ask)
    case 'import':
      return importFile(plan, ask)
    case 'export':
      return exportFile(plan, ask)
    case 'verify':
      return verify(plan, ask)
    case 'predict':
      return predict(plan, ask)
    case 'prove':
      return prove(plan, ask)
    default:
      return plan satisfies never
  }
}

/** The plan with the path of what it is about, which may have been named as the server names it. */
function locate(plan: CheckpointPlan): CheckpointPlan {
  switch (plan.action) {
    case 'verify':
      return { ...plan, folder: findPath(plan.folder) }
    case 'predict':
      return { ...plan, checkpoint: findPath(plan.checkpoint) }
    case 'prove':
      return { ...plan, runDirectory: findPath(plan.runDirectory) }
    case 'inspect':
    case 'doctor':
    case 'import':
    case 'export':
      return { ...plan, file: findPath(plan.file) }
    default:
      return plan satisfies never
  }
}

/** A path as it is; else a checkpoint or a run of the data directory. */
function findPath(text: string): string {
  if (existsSync(text)) return text
  const reference = findCheckpointReference(text)
  const home = dataDirectory()
  const path = reference === null ? join(runsFolder(home), text) : checkpointFolder(home, reference)
  if (existsSync(path)) return path
  throw new CliFailure(
    `There is no file or folder ${text}${reference === null ? '' : `, and no such checkpoint in ${home}`}.`,
    'Correct the path.',
  )
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof Refused) return error.answer.code
  return isTrainqlError(error) ? error.code : undefined
}
