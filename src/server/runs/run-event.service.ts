// Reading a run's events: by page, one, or as a stream that replays the past and then joins the present.
import { TrainqlError } from '../../shared/errors.ts'
import { isTerminal } from '../../shared/run-state.ts'
import type { PageRequest } from '../page.ts'
import type { RunEventStore } from './run-event.store.ts'
import type { RunFeed } from './run-feed.ts'
import type { StoredEvent } from './run.record.ts'
import type { RunStore } from './run.store.ts'

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

const replayBatch = 256

export function createRunEventService(deps: { runs: RunStore; events: RunEventStore; feed: RunFeed }): RunEventService {
  const { runs, events, feed } = deps

  async function* generate(runId: string, after: number, signal: AbortSignal): AsyncGenerator<StoredEvent, void> {
    await checkStart(runId, after)
    let position = after
    while (!signal.aborted) {
      const version = feed.version(runId)
      const batch = feed.recent(runId, position) ?? (await events.listAfter(runId, position, replayBatch))
      for (const event of batch) {
        position = event.cursor
        yield event
      }
      // Behind the end there may be more: a run is resumed, its checkpoints are pinned and deleted.
      if (batch.length > 0 && !endsRun(batch.at(-1))) continue
      const run = await runs.find(runId)
      if (run === null) return
      if (run.lastCursor > position) continue
      if (isTerminal(run.state)) return
      await feed.waitForChange(runId, version, signal)
    }
  }

  async function checkStart(runId: string, after: number): Promise<void> {
    const run = await runs.find(runId)
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

function endsRun(stored: StoredEvent | undefined): boolean {
  const type = stored?.event.type
  return type === 'succeeded' || type === 'runFailed' || type === 'canceled'
}
