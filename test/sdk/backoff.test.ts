// The waits between attempts: growing, bounded, spread.
import { expect, test } from 'vitest'
import { defaultRetry, delayBeforeAttempt, delayBeforeReturn, wait } from '../../src/sdk/backoff.ts'

test.each([
  [1, 0, 50],
  [1, 1, 100],
  [2, 1, 200],
  [4, 0, 400],
  [7, 1, 5000],
  [10_000, 0, 2500],
])('attempt %i with draw %f waits %i ms', (attempt, draw, expected) => {
  expect(delayBeforeAttempt(attempt, defaultRetry, () => draw)).toBe(expected)
})

test.each([
  [{ retryAfterMs: 1234 }, 1, 1234],
  // The server's word does not make a wait longer than the caller would have any, nor shorter than the back-off.
  [{ retryAfterMs: 60_000 }, 1, 5000],
  [{ retryAfterMs: 10 }, 20, 2500],
  [{}, 20, 2500],
  [{ retryAfterMs: undefined }, 20, 2500],
])('told %o, attempt %i waits at least %i ms', (error, attempt, expected) => {
  const delayMs = delayBeforeReturn(attempt, defaultRetry, error)
  expect(delayMs).toBeGreaterThanOrEqual(expected)
  expect(delayMs).toBeLessThanOrEqual(expected === 2500 ? 5000 : expected)
})

test('a wait on an aborted signal rejects at once with its reason', async () => {
  const reason = new Error('enough')
  await expect(wait(60_000, AbortSignal.abort(reason))).rejects.toBe(reason)
})
