// The live end of event streams: nobody who waits misses a change, whenever it comes.
import { expect, test } from 'vitest'
import { createRunFeed } from '../../src/server/runs/run-feed.ts'
import type { StoredEvent } from '../../src/server/runs/run.record.ts'

const events = (from: number, to: number): StoredEvent[] =>
  Array.from({ length: to - from + 1 }, (_, index) => ({
    cursor: from + index,
    event: {
      run: 'r',
      attempt: 0,
      seq: from + index,
      at: '2025-01-01T00:00:00.000Z',
      type: 'queued',
      plan: null,
      behind: { attempt: 0, seq: 0 },
    },
  }))
const never = new AbortController().signal

test('memory answers where it holds everything behind a position, and says where it does not', () => {
  const feed = createRunFeed()
  expect(feed.recent('r', 0)).toBeNull()
  feed.publish('r', events(5, 8))
  expect(feed.recent('r', 3)).toBeNull()
  expect(feed.recent('r', 4)).toEqual(events(5, 8))
  expect(feed.recent('r', 6)).toEqual(events(7, 8))
  expect(feed.recent('r', 8)).toEqual([])
  feed.publish('r', events(9, 2000))
  expect(feed.recent('r', 8)).toBeNull()
  expect(feed.recent('r', 1990)).toEqual(events(1991, 2000))
})

test('a change after the version was taken ends the wait, before or while it waits', async () => {
  const feed = createRunFeed()
  const before = feed.version('r')
  feed.publish('r', events(1, 1))
  await feed.waitForChange('r', before, never)

  const waiting = feed.waitForChange('r', feed.version('r'), never)
  expect(feed.waiting).toBe(1)
  feed.publish('other', events(1, 1))
  expect(feed.waiting).toBe(1)
  feed.publish('r', events(2, 2))
  await waiting
  expect(feed.waiting).toBe(0)
})

test('a run that ends and is forgotten between the reading and the wait is not waited for', async () => {
  const feed = createRunFeed()
  for (const publishedBefore of [[], events(1, 1)]) {
    if (publishedBefore.length > 0) feed.publish('r', publishedBefore)
    const version = feed.version('r')
    feed.publish('r', events(2, 3))
    feed.forget('r')
    await feed.waitForChange('r', version, never)
  }
  const late = feed.waitForChange('r', feed.version('r'), never)
  feed.forget('r')
  await late
})

test('an abort ends the wait and leaves nothing', async () => {
  const feed = createRunFeed()
  const abort = new AbortController()
  const waiting = feed.waitForChange('r', feed.version('r'), abort.signal)
  abort.abort()
  await waiting
  expect(feed.waiting).toBe(0)
  await feed.waitForChange('r', feed.version('r'), abort.signal)
})
