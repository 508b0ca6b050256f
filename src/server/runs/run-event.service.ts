// Reading a run's events: by page, one, or as a stream that replays the past and then joins the present.
import { TrainqlError } from '../../shared/errors.ts'
import { isTerminal } from '../../shared/run-state.ts'
import { outlast } from '../database/outage.ts'
import type { PageRequest } from '../page.ts'
import type { RunEventStore } from './run-event.store.ts'
import type { RunFeed } from './run-feed.ts'
import type { StoredEvent } from './run.record.ts'
import type { RunStore } from './run.store.ts'
import { createSharedReading } from './shared-reading.ts'

export interface RunEventService {
  find(runId: string, cursor: number): Promise<StoredEvent | null>
  /** In order; up to `limit + 1`. */
  page(runId: string, page: PageRequest<number>): Promise<StoredEvent[]>
  /**
   * Every event behind `after` once and in order, those to come as they are stored; ends where the run has ended and
   * there is none more. `return()` and the abort of a waiting `next()` are immediate. The first `next()` throws
   * TrainqlError `NOT_FOUND` for an unknown run, `INVALID_INPUT` for a position the run has not reached.
   */
  follow(runId: string, after: number): AsyncIterableIterator<StoredEvent, void, undefined>
}

/** Of those that are older than memory goes: as many as a reader who then has to wait may hold on to. */
const replayBatch = 128

export function createRunEventService(deps: { runs: RunStore; events: RunEventStore; feed: RunFeed }): RunEventService {
  const { runs, events, feed } = deps
  // Keyed by the feed's version too: nobody is answered by a reading that began before what he knows of.
  const findRun = createSharedReading((runId: string) => runs.find(runId))
  const listAfter = createSharedReading((runId: string, after: number) => events.listAfter(runId, after, replayBatch))

  /** While the database is away a reader waits. */
  async function* generate(runId: string, after: number, signal: AbortSignal): AsyncGenerator<StoredEvent, void> {
    await outlast(() => checkStart(runId, after), signal)
    let position = after
    while (!signal.aborted) {
      const version = feed.version(runId)
      const recent = feed.recent(runId, position)
      const batch = recent?.events ?? (await outlast(() => listAfter(version, runId, position), signal))
      for (const event of batch) {
        position = event.cursor
        yield event
      }
      if (recent?.ended === true) return
      if (batch.length > 0) continue
      if (recent === null) {
        const run = await outlast(() => findRun(version, runId), signal)
        if (run === null) return
        // Behind the end there may be more: a run is resumed, its checkpoints are pinned and deleted.
        if (run.lastCursor > position) continue
        if (isTerminal(run.state)) return
      }
      await feed.waitForChange(runId, version, signal)
    }
  }

  async function checkStart(runId: string, after: number): Promise<void> {
    // What memory knows the beginning or the end of is there.
    if (feed.recent(runId, after) !== null) return
    const run = await findRun(feed.version(runId), runId)
    if (run === null) throw unknownRun(runId)
    if (after <= run.lastCursor) return
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'after',
      message: `Expected a cursor of this run, which has ${run.lastCursor} events; got the position ${after}.`,
      fix: 'Give the cursor of an event of this run, or leave `after` out to read from the start.',
    })
  }

  return {
    find: (runId, cursor) => events.find(runId, cursor),
    page: (runId, page) => events.page(runId, page),
    follow(runId, after) {
      const abort = new AbortController()
      const generator = generate(runId, after, abort.signal)
      return {
        next: () => generator.next(),
        // A generator cannot return while it awaits: the abort ends the await first.
        return: () => {
          abort.abort()
          return generator.return()
        },
        throw: (error) => {
          abort.abort()
          return generator.throw(error)
        },
        [Symbol.asyncIterator]() {
          return this
        },
      }
    },
  }
}

export function unknownRun(runId: string): TrainqlError {
  return new TrainqlError({
    code: 'NOT_FOUND',
    message: `There is no run ${JSON.stringify(runId)}.`,
    fix: 'Take the id from `createRun` or from the query `runs`.',
  })
}
