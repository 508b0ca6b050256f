// What becomes of a run whose attempt is over, judged from what its trainer left behind and from what was asked. Pure.
import type { TrainqlError } from '../../shared/errors.ts'
import type { PauseReason, ServerEvent, TrainerEvent, Unidentified } from '../../shared/events.ts'
import { exitCodes } from '../../shared/exit-codes.ts'
import type { ExitRecord } from '../../shared/run-directory.ts'
import type { RetryPolicy } from '../../shared/run-spec.ts'
import { backoffMs, canPass, type FailureCause } from './retry.ts'

/** What is known of an attempt whose trainer is no more. */
export interface TrainerEnd {
  /** Its last event. */
  lastEvent: TrainerEvent | null
  /** Steps it had logged. */
  step: number
  /** The run's checkpoint that a next attempt goes on from; null: it has none. */
  checkpoint: string | null
  /** What it wrote as its last act; null where it did not come to that. */
  exitRecord: ExitRecord | null
  /** How the operating system saw it end; null where another process than this server had started it. */
  exit: { code: number | null; signal: string | null } | null
  /** Last lines of its output. */
  output: string
  /** The server's own reason to end it, where there is one. */
  refusal: { cause: FailureCause['kind'] & ('GIVEN_UP' | 'INVALID_LOG' | 'NOT_STARTED'); error: TrainqlError } | null
  /** What was asked of it: to end for good, or to make room for a while and why. */
  asked: 'CANCEL' | PauseReason | null
  retry: { policy: RetryPolicy; tries: number; now: Date }
}

type OutcomeType = 'succeeded' | 'runFailed' | 'canceled' | 'paused' | 'yielded' | 'retryScheduled'
export type Outcome = Unidentified<Extract<ServerEvent, { type: OutcomeType }>>

/** Whether the run has ended with it. */
export function isLast({ type }: Outcome): boolean {
  return type === 'succeeded' || type === 'runFailed' || type === 'canceled'
}

interface Failure {
  cause: FailureCause
  code: string
  message: string
  fix: string
  step: number | null
  nonFinite: boolean
}

export function judgeOutcome(end: TrainerEnd): Outcome {
  const { lastEvent, asked, refusal, checkpoint } = end
  if (refusal?.cause !== 'INVALID_LOG') {
    if (lastEvent?.type === 'finished') return { type: 'succeeded' }
    if (lastEvent?.type === 'failed')
      return failed(end, { ...lastEvent, cause: { kind: 'TOLD', code: lastEvent.code } })
    if (asked === 'CANCEL') return { type: 'canceled' }
    if (asked !== null && leftAsAsked(end)) {
      return asked === 'YIELD' ? { type: 'yielded', checkpoint } : { type: 'paused', reason: asked, checkpoint }
    }
  }
  return failed(end, refusal === null ? deathOf(end) : refusedAs(end, refusal))
}

/** It left on SIGTERM, or was killed because it did not; one that exits by itself has failed. */
function leftAsAsked({ lastEvent, exit, exitRecord, refusal }: TrainerEnd): boolean {
  if (refusal !== null || lastEvent?.type === 'stopped') return true
  const code = exit?.code ?? exitRecord?.code ?? null
  return code === null || code === exitCodes.stopped
}

function failed({ asked, retry, checkpoint }: TrainerEnd, { cause, ...failure }: Failure): Outcome {
  const { code, message, fix, step, nonFinite } = failure
  const { policy, tries, now } = retry
  if (asked !== null || tries >= policy.maxAttempts || !canPass(cause)) {
    return { type: 'runFailed', code, message, fix, step, nonFinite }
  }
  const notBefore = new Date(now.getTime() + backoffMs(policy, tries)).toISOString()
  return { type: 'retryScheduled', code, message, fix, step, checkpoint, notBefore }
}

function refusedAs(end: TrainerEnd, { cause, error }: NonNullable<TrainerEnd['refusal']>): Failure {
  const { code, message, fix } = error
  return { cause: { kind: cause }, code, message, fix, step: stepOf(end), nonFinite: false }
}

function deathOf(end: TrainerEnd): Failure {
  const checkpoint = end.checkpoint === null ? 'no checkpoint' : `the checkpoint ${end.checkpoint}`
  const where = end.step === 0 ? 'before its first step' : `after step ${end.step}`
  return {
    cause: end.lastEvent?.type === 'stopped' ? { kind: 'STOPPED' } : { kind: 'DIED', ...exitOf(end) },
    code: 'TRAINER_DIED',
    message: `The trainer process ${howItEnded(end)} ${where}, with ${checkpoint}.${lastWords(end)}`,
    fix: fixOf(end),
    step: stepOf(end),
    nonFinite: false,
  }
}

const stepOf = ({ step }: TrainerEnd): number | null => (step === 0 ? null : step)

function exitOf({ exit, exitRecord }: TrainerEnd): { signal: string | null; code: number | null } {
  return { signal: exit?.signal ?? exitRecord?.signal ?? null, code: exit?.code ?? exitRecord?.code ?? null }
}

function howItEnded(end: TrainerEnd): string {
  if (end.lastEvent?.type === 'stopped') return 'was told to stop by someone other than the server (SIGTERM) and left'
  const { signal, code } = exitOf(end)
  if (signal !== null) return `was killed by ${signal}`
  if (code !== null) return `exited with code ${code}`
  return 'died without an exit record (killed, or the machine restarted)'
}

function lastWords({ output, lastEvent }: TrainerEnd): string {
  return output === '' || lastEvent?.type === 'stopped' ? '' : ` Its last output: ${output}`
}

function fixOf(end: TrainerEnd): string {
  if (end.exit?.signal === 'SIGKILL') {
    return 'Resume the run. If nobody killed it, the machine may have run out of memory: fork it with a lower global batch.'
  }
  return exitOf(end).code === exitCodes.internal
    ? 'Look into log.txt in the run directory and report what it says.'
    : 'Look into log.txt in the run directory, then resume the run.'
}
