// Waiting in a storm: as long as it goes on.
import { setTimeout as sleep } from 'node:timers/promises'

/** Returns at once when the signal is aborted, and says whether it is not. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}

/** What comes of the work, or the other where it takes longer. */
export async function orWhenLate<T, O>(ms: number, work: Promise<T>, otherwise: O): Promise<T | O> {
  const timer = new AbortController()
  const late = sleep(Math.max(0, ms), otherwise, { signal: timer.signal }).catch(() => otherwise)
  try {
    return await Promise.race([work, late])
  } finally {
    timer.abort()
  }
}
