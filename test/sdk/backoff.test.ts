// The waits between attempts: growing, bounded, spread.
import { expect, test } from 'vitest'
import { defaultRetry, delayBeforeAttempt, wait } from '../../src/sdk/backoff.ts'

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

test('a wait on an aborted signal rejects at once with its reason', async () => {
  const reason = new Error('enough')
  await expect(wait(60_000, AbortSignal.abort(reason))).rejects.toBe(reason)
})
