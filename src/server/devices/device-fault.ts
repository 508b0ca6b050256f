// Whether a trainer died by a fault of its engine or of a device, and when a device has had too many. Pure.
import type { TrainerEvent } from '../../shared/events.ts'
import type { ErrorCode } from '../../shared/errors.ts'

/** Attempts in a row on one device, of one run or of several, that end so. */
export const faultsToQuarantine = 3

/** What the processor does to a program that computes what it cannot, or touches memory that is not there. */
const faultSignals: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGILL', 'SIGFPE'])
const faultCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'ENGINE_FAILED',
  'ENGINE_UNAVAILABLE',
  'DEVICE_UNAVAILABLE',
])

export interface AttemptTraces {
  lastEvent: TrainerEvent | null
  exit: { signal: string | null } | null
}

/** The signal or the error code; null for every other end, and where nobody saw how it ended. */
export function faultOf({ lastEvent, exit }: AttemptTraces): string | null {
  if (lastEvent?.type === 'failed') return faultCodes.has(lastEvent.code) ? lastEvent.code : null
  const signal = exit?.signal ?? null
  return signal !== null && faultSignals.has(signal) ? signal : null
}

export interface PastAttempt {
  runId: string
  number: number
  fault: string | null
}

/** Why a device is to take no more runs, from its attempts, the newest first; null: it may. */
export function quarantineReason(attempts: readonly PastAttempt[]): string | null {
  const latest = attempts.slice(0, faultsToQuarantine)
  if (latest.length < faultsToQuarantine || latest.some(({ fault }) => fault === null)) return null
  const list = latest.map(({ runId, number, fault }) => `attempt ${number} of run ${runId} by ${fault ?? ''}`)
  return `${faultsToQuarantine} trainers in a row died on it: ${list.join(', ')}`
}
