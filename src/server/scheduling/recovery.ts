// Takes everything up after a restart: rows that the run directories say more about, trainers that run on or have
// ended meanwhile, runs that were queued.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { isTrainqlError, type TrainqlError } from '../../shared/errors.ts'
import { exitFile, specFile } from '../../shared/run-directory.ts'
import { isTerminal, liveRunStates } from '../../shared/run-state.ts'
import { nullWhereAbsent } from '../durable-files.ts'
import type { Log } from '../log.ts'
import { findSortableIdTime } from '../../shared/sortable-id.ts'
import type { RunStore } from '../runs/run.store.ts'
import { type AttemptEndDeps, endAttempt } from './attempt-end.ts'
import { listRunDirectories, readSpec, serverEventsFile } from './run-files.ts'
import type { RunLog } from './run-log.ts'
import type { Scheduler } from './scheduler.ts'
import type { Launcher } from './trainer-process.ts'

export interface RecoveryDeps extends AttemptEndDeps {
  store: RunStore
  scheduler: Scheduler
  launcher: Launcher
  runsDirectory: string
  log: Log
}

/** Called once, before the first request. Runs in order of age, so that leases fall to those that took them first. */
export async function recoverRuns(deps: RecoveryDeps): Promise<void> {
  const { store, scheduler, log, runsDirectory } = deps
  await readUnknownDirectories(deps)
  const live = (await store.listInStates(liveRunStates)).map(({ id }) => id)
  for (const id of [...new Set([...live, ...(await listUnread(deps))])].sort()) {
    if (!existsSync(specFile(join(runsDirectory, id)))) {
      log.warn(`The directory of run ${id} is gone, and with it the run.`)
      await store.delete(id)
      continue
    }
    try {
      await scheduler.runLogs.use(id, (runLog) => recoverRun(deps, runLog))
    } catch (error) {
      log.error(`Run ${id} could not be taken up again; its directory is left as it is.`, error)
    }
  }
  // The server may have died between a trainer and what its death said of the device.
  await deps.quarantine.look(null)
  await scheduler.queue.schedule()
}

/** Directories without a row: the database is younger than they are, or the server died between the two. */
async function readUnknownDirectories({ store, runsDirectory, log }: RecoveryDeps): Promise<void> {
  const known = new Set(await store.listIds())
  for (const name of await listRunDirectories(runsDirectory)) {
    if (known.has(name)) continue
    const directory = join(runsDirectory, name)
    try {
      const spec = await readSpec(directory)
      if (spec.runId !== name) throw new Error(`its spec.json names the run ${spec.runId}`)
      await store.insert(spec, findSortableIdTime(name) ?? (await stat(specFile(directory))).mtime)
    } catch (error) {
      log.error(`${directory} is no run directory that can be read; it is left as it is.`, error)
    }
  }
}

/**
 * Runs whose file of server events goes on behind what was taken over: the server died between the two. Only of runs that
 * have ended this is news; it may be that they do not stay so.
 */
async function listUnread({ store, runsDirectory }: RecoveryDeps): Promise<string[]> {
  const unread = await Promise.all(
    (await store.listServerOffsets()).map(async ({ runId, offset }) => {
      const file = await stat(serverEventsFile(join(runsDirectory, runId))).catch(nullWhereAbsent)
      return file !== null && file.size > offset ? [runId] : []
    }),
  )
  return unread.flat()
}

async function recoverRun(deps: RecoveryDeps, runLog: RunLog): Promise<void> {
  const { runId, directory } = runLog
  const { attempts } = deps.scheduler
  const invalid = await takeOver(runLog)
  const { state, attempt } = runLog.run
  if (isTerminal(state) || state === 'PAUSED') return
  const lastOwn = (await deps.events.findLast(runId, 0))?.event.type
  if (state === 'QUEUED') {
    // Died between the wish to cancel and its fulfilment.
    if (lastOwn === 'cancelRequested') await runLog.append({ type: 'canceled' })
    return
  }
  const holder = runLog.isReleased() ? null : await deps.launcher.findHolder(directory, attempt)
  if (holder !== null) {
    attempts.supervise(runLog, holder)
    return
  }
  // Leased and, as far as the directory says, never started. Should a process be about to take the attempt after
  // all, it or ours finds the attempt taken and leaves.
  const neverStarted = state === 'STARTING' && !runLog.isReleased() && !existsSync(exitFile(directory, attempt))
  if (neverStarted && invalid === null) return attempts.launch(runId)
  const end = { attempt, exit: null, invalid, givenUp: null }
  await runLog.exclusively((own) => endAttempt(deps, own, end))
}

/** Takes over what the files hold; an error where they hold what no trainer writes. */
async function takeOver(runLog: RunLog): Promise<TrainqlError | null> {
  try {
    await runLog.takeOver()
    return null
  } catch (error) {
    if (isTrainqlError(error) && error.code === 'RUN_DIRECTORY_INVALID') return error
    throw error
  }
}
