// The live end of event streams: nobody who waits misses a change, whenever it comes.
import { expect, test } from 'vitest'
import { createRunFeed, type News } from '../../src/server/runs/run-feed.ts'
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
const news = (from: number, to: number, ended = false): News => ({ events: events(from, to), ended })
const never = new AbortController().signal

test('memory answers where it holds everything behind a position, and says where it does not', () => {
  const feed = createRunFeed()
  expect(feed.recent('r', 0)).toBeNull()
  feed.publish('r', news(5, 8))
  expect(feed.recent('r', 3)).toBeNull()
  expect(feed.recent('r', 4)).toEqual(news(5, 8))
  expect(feed.recent('r', 6)).toEqual(news(7, 8))
  expect(feed.recent('r', 8)).toEqual({ events: [], ended: false })
  // A position it has not reached is nothing that it knows.
  expect(feed.recent('r', 9)).toBeNull()
  feed.publish('r', news(9, 2000))
  expect(feed.recent('r', 8)).toBeNull()
  expect(feed.recent('r', 1990)).toEqual(news(1991, 2000))
  // What a reader holds on to is bounded, and he learns of the end with the last of it.
  feed.publish('r', news(2001, 2100, true))
  expect(feed.recent('r', 2000)).toEqual(news(2001, 2064))
  expect(feed.recent('r', 2064)).toEqual(news(2065, 2100, true))
  expect(feed.recent('r', 2100)).toEqual({ events: [], ended: true })
})

test('a change after the version was taken ends the wait, before or while it waits', async () => {
  const feed = createRunFeed()
  const before = feed.version('r')
  feed.publish('r', news(1, 1))
  await feed.waitForChange('r', before, never)

  const waiting = feed.waitForChange('r', feed.version('r'), never)
  expect(feed.waiting).toBe(1)
  feed.publish('other', news(1, 1))
  expect(feed.waiting).toBe(1)
  feed.publish('r', news(2, 2))
  await waiting
  expect(feed.waiting).toBe(0)
})

test('a run that ends and is forgotten between the reading and the wait is not waited for', async () => {
  const feed = createRunFeed()
  for (const publishedBefore of [null, news(1, 1)]) {
    if (publishedBefore !== null) feed.publish('r', publishedBefore)
    const version = feed.version('r')
    feed.publish('r', news(2, 3))
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
