// `trainql checkpoint`: asks the checkpoint process, without a server, and shows what it answers.
import { existsSync } from 'node:fs'
import { askCheckpointProcess } from '../../shared/checkpoint-process.ts'
import { isTrainqlError } from '../../shared/errors.ts'
import {
  doctor,
  exportFile,
  importFile,
  inspect,
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
    const path = pathOf(plan)
    if (!existsSync(path)) throw new CliFailure(`There is no file or folder ${path}.`, 'Correct the path.')
    const { answer, lines, fine } = await carryOut(plan, ask)
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
    case 'prove':
      return prove(plan, ask)
    default:
      return plan satisfies never
  }
}

/** What the command is about. */
function pathOf(plan: CheckpointPlan): string {
  switch (plan.action) {
    case 'verify':
      return plan.folder
    case 'prove':
      return plan.runDirectory
    case 'inspect':
    case 'doctor':
    case 'import':
    case 'export':
      return plan.file
    default:
      return plan satisfies never
  }
}

function codeOf(error: unknown): string | undefined {
  if (error instanceof Refused) return error.answer.code
  return isTrainqlError(error) ? error.code : undefined
}
