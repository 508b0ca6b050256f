// Makes the training part of the database anew from the run directories, or tells where the two differ.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { importedFolder, runsFolder } from '../../shared/checkpoint-reference.ts'
import { TrainqlError } from '../../shared/errors.ts'
import type {
  RebuildCounts,
  RebuildProgress,
  RebuildRequest,
  RebuildResult,
  RefusedRun,
} from '../../shared/rebuild-process.ts'
import { createCheckpointStore } from '../checkpoints/checkpoint.store.ts'
import { createImportedFiles } from '../checkpoints/imported-files.ts'
import { takeStock } from '../checkpoints/import-stock.ts'
import { lockHome } from '../database/home-lock.ts'
import { openSideTables, type SideTables } from '../database/side-tables.ts'
import { compareTables } from '../database/table-differences.ts'
import type { Log } from '../log.ts'
import { createRunStore, type RunStore } from '../runs/run.store.ts'
import { findRunDirectories } from '../scheduling/run-files.ts'
import { type Refusal, replayRuns } from './replay.ts'

export interface RebuildOptions extends RebuildRequest {
  home: string
  databaseUrl: string | null
  /** How long the embedded database may take to open. */
  databaseOpenSeconds?: number
  /** What is stored stays whole, whenever it comes. */
  signal: AbortSignal
  onProgress: (progress: RebuildProgress) => void
  log: Log
}

/**
 * @throws TrainqlError `NOT_FOUND` where there are no run directories, `CONFLICT` where those are not the database's,
 * `DATABASE_LOCKED` while a server uses either, `DATABASE_UNAVAILABLE`, `NETWORK`; the signal's reason
 */
export async function rebuild(options: RebuildOptions): Promise<RebuildResult> {
  const { home, databaseUrl, databaseOpenSeconds, log } = options
  const runs = await findRunDirectories(runsFolder(home))
  if (runs === null) throw noRuns(home)
  const lock = await lockHome(home, 'REBUILD')
  try {
    const tables = await openSideTables({
      ...{ folder: join(home, 'db'), url: databaseUrl, log },
      openSeconds: databaseOpenSeconds,
    })
    try {
      return await rebuildWith(options, { tables, runs })
    } finally {
      await tables.close()
    }
  } finally {
    await lock.release()
  }
}

async function rebuildWith(
  { home, check, limit, signal, onProgress, log }: RebuildOptions,
  { tables, runs }: { tables: SideTables; runs: readonly string[] },
): Promise<RebuildResult> {
  const startedAt = performance.now()
  const secondsSinceStart = (): number => (performance.now() - startedAt) / 1000
  const progress = { kind: 'PROGRESS' as const, stage: 'READING' as RebuildProgress['stage'], runs: 0, events: 0 }
  const tell = (change: Partial<typeof progress>): void =>
    onProgress({ ...Object.assign(progress, change), ofRuns: runs.length })

  const known = new Set(runs)
  const stored = await tables.listStored()
  const gone = stored.filter((id) => !known.has(id))
  if (stored.length > 0 && gone.length === stored.length) throw otherDatabase(home, stored.length)

  const store = createRunStore(tables)
  const refusals = await replayRuns({
    store,
    runsDirectory: runsFolder(home),
    runs,
    signal,
    onEvents: (events) => tell({ events: progress.events + events }),
    onRun: () => tell({ runs: progress.runs + 1 }),
  })
  const readingSeconds = secondsSinceStart()
  const refused: RefusedRun[] = []
  for (const refusal of refusals) refused.push(await settleRefusal(refusal, { tables, store }))
  if (!check) {
    const files = createImportedFiles(importedFolder(home))
    await takeStock({ store: createCheckpointStore(tables), files, log, now: () => new Date() })
  }
  const counts = await countRows(tables)
  const result = (): Omit<RebuildResult, 'kind'> => ({
    ...{ home, counts, refused, gone, seconds: secondsSinceStart() },
    eventsPerSecond: Math.round(progress.events / Math.max(readingSeconds, 0.001)),
  })
  signal.throwIfAborted()
  if (check) {
    tell({ stage: 'COMPARING' })
    const { rows: differing, first, behind } = await compareTables(tables, limit)
    return { kind: 'CHECKED', differing, first, behind, ...result() }
  }
  await tables.install(() => tell({ stage: 'INSTALLING' }))
  return { kind: 'REBUILT', ...result() }
}

/** What cannot be read must not be lost where the database still has it. */
async function settleRefusal(
  { runId, error }: Refusal,
  { tables, store }: { tables: SideTables; store: RunStore },
): Promise<RefusedRun> {
  const isStored = await tables.keepStored(runId)
  const kept = isStored ? 'STORED' : (await store.find(runId)) === null ? 'NOTHING' : 'READ'
  const { code, message, fix } = error
  return { run: runId, code, message, fix, kept }
}

async function countRows({ prisma }: SideTables): Promise<RebuildCounts> {
  const steps = await prisma.stepMetrics.count()
  return {
    runs: await prisma.run.count(),
    events: steps + (await prisma.event.count()),
    steps,
    checkpoints: await prisma.checkpoint.count({ where: { origin: 'RUN' } }),
  }
}

function noRuns(home: string): TrainqlError {
  return new TrainqlError({
    code: 'NOT_FOUND',
    message: `Expected a data directory with run directories in ${runsFolder(home)}; there is no ${existsSync(home) ? 'such folder' : `folder ${home}`}.`,
    fix: 'Name the data directory with --home, or set TRAINQL_HOME.',
  })
}

function otherDatabase(home: string, stored: number): TrainqlError {
  return new TrainqlError({
    code: 'CONFLICT',
    message: `The database knows ${stored} runs, and none of them has a directory in ${runsFolder(home)}: the two do not belong together. Nothing was changed.`,
    fix: 'Name the data directory of this database with --home, or correct DATABASE_URL.',
  })
}
