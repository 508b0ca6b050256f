// How long to wait before the next attempt: exponential with jitter, bounded in length and in number.

export interface RetryOptions {
  /**
   * Attempts in a row that may fail before the error is thrown. Any answer of the server starts the count again.
   * Default 120, about ten minutes; `Infinity` for as long as it takes.
   */
  attempts?: number
  /** Before the first new attempt. Default 100. */
  minDelayMs?: number
  /** No wait is longer. Default 5,000. */
  maxDelayMs?: number
}

export const defaultRetry: Required<RetryOptions> = { attempts: 120, minDelayMs: 100, maxDelayMs: 5_000 }

/** Milliseconds before attempt `attempt`, not earlier than the server said, and never longer than `maxDelayMs`. */
export function delayBeforeReturn(
  attempt: number,
  options: Required<RetryOptions>,
  { retryAfterMs = 0 }: { retryAfterMs?: number | undefined },
): number {
  return Math.min(options.maxDelayMs, Math.max(delayBeforeAttempt(attempt, options), retryAfterMs))
}

/**
 * Milliseconds before attempt `attempt` (from 1): twice the one before, at most `maxDelayMs`, of which the upper
 * half is drawn at random, so that many clients of a restarted server do not come back in one instant.
 */
export function delayBeforeAttempt(
  attempt: number,
  { minDelayMs, maxDelayMs }: Required<RetryOptions>,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(maxDelayMs, minDelayMs * 2 ** Math.min(attempt - 1, 30))
  return ceiling / 2 + (ceiling / 2) * random()
}

/** Resolves after `delayMs`. @throws the signal's reason once it is aborted. */
export function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', aborted)
      resolve()
    }, delayMs)
    if (signal.aborted) aborted()
    else signal.addEventListener('abort', aborted, { once: true })
  })
}
