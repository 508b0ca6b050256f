// A clock that is set has no run wait for longer than its policy says, nor start at once twice.
import { expect, test } from 'vitest'
import { createRetryWaits } from '../../src/server/scheduling/retry-waits.ts'

const policy = { maxAttempts: 3, backoffSeconds: 60, unreachableSeconds: 600, stalledSeconds: null }
const runOf = (notBefore: string | null, id = 'r') =>
  ({ id, tries: 1, notBefore: notBefore === null ? null : new Date(notBefore), spec: { retry: policy } }) as Parameters<
    ReturnType<typeof createRetryWaits>['of']
  >[0][number]

function waitsAt() {
  let monotonic = 1_000_000
  const waits = createRetryWaits(() => monotonic)
  return { waits, pass: (ms: number) => (monotonic += ms) }
}

test('a run waits until its time, and one without a time not at all', () => {
  const { waits, pass } = waitsAt()
  const queue = [runOf('2026-01-01T00:01:00Z'), runOf(null, 'other')]
  expect([...waits.of(queue, new Date('2026-01-01T00:00:00Z'))]).toEqual([['r', 60_000]])
  pass(20_000)
  expect([...waits.of(queue, new Date('2026-01-01T00:00:20Z'))]).toEqual([['r', 40_000]])
  pass(40_000)
  expect([...waits.of(queue, new Date('2026-01-01T00:01:00Z'))]).toEqual([])
})

test('a clock that is set back for good does not keep it waiting for good', () => {
  const { waits, pass } = waitsAt()
  const queue = [runOf('2026-01-01T00:01:00Z')]
  expect(waits.of(queue, new Date('2026-01-01T00:00:00Z')).get('r')).toBe(60_000)
  for (const left of [40_000, 20_000]) {
    pass(20_000)
    expect(waits.of(queue, new Date('1999-01-01T00:00:00Z')).get('r')).toBe(left)
  }
  pass(20_000)
  expect(waits.of(queue, new Date('1999-01-01T00:00:00Z')).get('r')).toBeUndefined()
})

test('a clock that is set forward lets it start early rather than late', () => {
  const { waits } = waitsAt()
  expect(waits.of([runOf('2026-01-01T00:01:00Z')], new Date('2031-01-01T00:00:00Z')).size).toBe(0)
})

test('its next wait is another one', () => {
  const { waits, pass } = waitsAt()
  waits.of([runOf('2026-01-01T00:01:00Z')], new Date('2026-01-01T00:00:00Z'))
  pass(60_000)
  expect(waits.of([runOf('2026-01-01T00:02:00Z')], new Date('2026-01-01T00:01:00Z')).get('r')).toBe(60_000)
})
