// How a run ended, judged from what its trainer left behind. Pure.
import type { ServerEvent, TrainerEvent, Unidentified } from '../../shared/events.ts'
import { exitCodes } from '../../shared/exit-codes.ts'
import type { ExitRecord } from '../../shared/run-directory.ts'

/** What is known of a trainer process that is no more. */
export interface TrainerEnd {
  /** Its last event. */
  lastEvent: TrainerEvent | null
  /** Steps it had logged. */
  step: number
  /** Checkpoint it logged last. */
  lastCheckpoint: string | null
  /** What it wrote as its last act; null where it did not come to that. */
  exitRecord: ExitRecord | null
  /** How the operating system saw it end; null where another process than this server had started it. */
  exit: { code: number | null; signal: string | null } | null
  /** Last lines of its output. */
  output: string
  /** The user wanted it to end. */
  cancelRequested: boolean
}

export type Outcome = Unidentified<Extract<ServerEvent, { type: 'succeeded' | 'runFailed' | 'canceled' }>>

export function judgeOutcome(end: TrainerEnd): Outcome {
  const { lastEvent, cancelRequested } = end
  if (lastEvent?.type === 'finished') return { type: 'succeeded' }
  if (lastEvent?.type === 'failed') {
    const { code, message, fix, step, nonFinite } = lastEvent
    return { type: 'runFailed', code, message, fix, step, nonFinite }
  }
  if (cancelRequested) return { type: 'canceled' }
  return diedOutcome(end)
}

function diedOutcome(end: TrainerEnd): Outcome {
  const checkpoint = end.lastCheckpoint === null ? 'no checkpoint' : `the checkpoint ${end.lastCheckpoint}`
  const where = end.step === 0 ? 'before its first step' : `after step ${end.step}`
  return {
    type: 'runFailed',
    code: 'TRAINER_DIED',
    message: `The trainer process ${howItEnded(end)} ${where}, with ${checkpoint}.${lastWords(end)}`,
    fix: fixOf(end),
    step: end.step === 0 ? null : end.step,
    nonFinite: false,
  }
}

function howItEnded({ lastEvent, exitRecord, exit }: TrainerEnd): string {
  if (lastEvent?.type === 'stopped') return 'was told to stop by someone other than the server (SIGTERM) and left'
  const signal = exit?.signal ?? exitRecord?.signal ?? null
  if (signal !== null) return `was killed by ${signal}`
  const code = exit?.code ?? exitRecord?.code ?? null
  if (code !== null) return `exited with code ${code}`
  return 'died without an exit record (killed, or the machine restarted)'
}

function lastWords({ output, lastEvent }: TrainerEnd): string {
  return output === '' || lastEvent?.type === 'stopped' ? '' : ` Its last output: ${output}`
}

function fixOf({ exit, exitRecord }: TrainerEnd): string {
  if (exit?.signal === 'SIGKILL') {
    return 'Create the run again. If nobody killed it, the machine may have run out of memory: lower the global batch.'
  }
  const code = exit?.code ?? exitRecord?.code ?? null
  return code === exitCodes.internal
    ? 'Look into log.txt in the run directory and report what it says.'
    : 'Look into log.txt in the run directory, then create the run again.'
}
