// Reads run directories as the server does when it has never heard of them, into whatever tables the store writes.
import { join } from 'node:path'
import { isTrainqlError, type TrainqlError } from '../../shared/errors.ts'
import { createLimit } from '../limit.ts'
import { createRunFeed } from '../runs/run-feed.ts'
import type { RunStore } from '../runs/run.store.ts'
import type { RunFolder } from '../scheduling/log-reader.ts'
import { openRunLog } from '../scheduling/run-log.ts'
import { insertUnknownRun } from '../scheduling/unknown-run.ts'
import { createBulkLogStore } from './bulk-log-store.ts'

export interface ReplayOptions {
  store: RunStore
  runsDirectory: string
  /** Their directories' names. */
  runs: readonly string[]
  /** Between runs, and between batches of one. */
  signal: AbortSignal
  onEvents: (stored: number) => void
  onRun: () => void
}

/** A run that could not be read to its end; what came before is stored. */
export interface Refusal {
  runId: string
  error: TrainqlError
}

/** So many runs at once, each with some thousand events in memory: while one is read, others are stored together. */
const runsAtOnce = 32

/** Of one run, and no fault of ours or of the database. */
const refusalCodes: ReadonlySet<string> = new Set(['RUN_DIRECTORY_INVALID', 'CONFLICT'])

export async function replayRuns(options: ReplayOptions): Promise<Refusal[]> {
  const { store, runsDirectory, runs, signal, onEvents, onRun } = options
  const failing = new AbortController()
  const stop = AbortSignal.any([signal, failing.signal])
  const feed = createRunFeed()
  const limit = createLimit(runsAtOnce)

  async function read(folder: RunFolder): Promise<void> {
    const { runId } = folder
    const run = await insertUnknownRun(store, folder)
    const bulk = createBulkLogStore(store, run, (events) => {
      onEvents(events)
      stop.throwIfAborted()
    })
    try {
      const runLog = await openRunLog({ store: bulk, feed, now: () => new Date(), readsOnly: true }, folder)
      await runLog.takeOver()
    } finally {
      feed.forget(runId)
      await bulk.flush()
    }
  }

  async function replay(runId: string): Promise<Refusal | null> {
    stop.throwIfAborted()
    try {
      await read({ runId, directory: join(runsDirectory, runId) })
      return null
    } catch (error) {
      if (isTrainqlError(error) && refusalCodes.has(error.code)) return { runId, error }
      failing.abort(error)
      throw error
    } finally {
      onRun()
    }
  }

  const replays = await Promise.allSettled(runs.map((runId) => limit(() => replay(runId))))
  // None is under way any more.
  stop.throwIfAborted()
  return replays.flatMap((each) => (each.status === 'fulfilled' && each.value !== null ? [each.value] : []))
}
