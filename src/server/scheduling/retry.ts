// Whether an attempt ended by what may pass, and when the next one starts. Pure.
import type { ErrorCode } from '../../shared/errors.ts'
import { type ExitCode, exitCodes } from '../../shared/exit-codes.ts'
import type { RetryPolicy } from '../../shared/run-spec.ts'

/** How an attempt came to fail. */
export type FailureCause =
  /** Its trainer said so. */
  | { kind: 'TOLD'; code: string }
  /** It left on a SIGTERM that the server had not sent. */
  | { kind: 'STOPPED' }
  /** It ended without a word; both null where nobody saw how. */
  | { kind: 'DIED'; signal: string | null; code: number | null }
  /** Its process could not be started. */
  | { kind: 'NOT_STARTED' }
  /** The server gave it up: silent, or with a replica that did not move. */
  | { kind: 'GIVEN_UP' }
  /** Its log holds what no trainer writes. */
  | { kind: 'INVALID_LOG' }

/** What lies in the machine, not in the run: with the same spec it may go well another time. */
const passingCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'DISK_FULL',
  'DEVICE_UNAVAILABLE',
  'ENGINE_UNAVAILABLE',
  'NETWORK',
])
const passingExits: ReadonlySet<number> = new Set<ExitCode>([
  exitCodes.diskFull,
  exitCodes.engineUnavailable,
  exitCodes.stopped,
])
/** A program gets these by what it does itself; a next attempt would do it again. */
const crashSignals: ReadonlySet<string> = new Set([
  ...['SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE', 'SIGTRAP', 'SIGSYS'],
])

export function canPass(cause: FailureCause): boolean {
  switch (cause.kind) {
    case 'TOLD':
      return passingCodes.has(cause.code)
    case 'DIED':
      if (cause.signal !== null) return !crashSignals.has(cause.signal)
      return cause.code === null || passingExits.has(cause.code)
    case 'STOPPED':
    case 'NOT_STARTED':
    case 'GIVEN_UP':
      return true
    case 'INVALID_LOG':
      return false
    default:
      return cause satisfies never
  }
}

const longestBackoffSeconds = 86_400

/** From the end of an attempt to the start of the next; `tries`: attempts so far, at least 1. */
export function backoffMs({ backoffSeconds }: RetryPolicy, tries: number): number {
  // A power that is no number any more is as good as the longest.
  return Math.min(backoffSeconds * 2 ** Math.min(tries - 1, 30), longestBackoffSeconds) * 1000
}

/** How long a queued run has yet to wait; never longer than its policy says, whatever became of the clock. */
export function retryWaitMs(run: { notBefore: Date | null; tries: number }, policy: RetryPolicy, now: Date): number {
  if (run.notBefore === null) return 0
  const left = run.notBefore.getTime() - now.getTime()
  return Math.min(Math.max(left, 0), backoffMs(policy, Math.max(run.tries, 1)))
}
