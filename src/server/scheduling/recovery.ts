// Takes everything up after a restart: rows that the run directories say more about, trainers that run on or have
// ended meanwhile, runs that were queued.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import type { TrainqlError } from '../../shared/errors.ts'
import { exitFile } from '../../shared/run-directory.ts'
import { holdingRunStates, isHolding, isTerminal, liveRunStates, type RunState } from '../../shared/run-state.ts'
import { DatabaseUnavailable } from '../database/outage.ts'
import { nullWhereAbsent } from '../durable-files.ts'
import { createLimit } from '../limit.ts'
import type { Log } from '../log.ts'
import type { RunStore } from '../runs/run.store.ts'
import { type AttemptEndDeps, endAttempt, release } from './attempt-end.ts'
import { failedBy } from './damaged-log.ts'
import { resumeDrained } from './drain.ts'
import { findInvalid, isInvalidDirectory } from './invalid-directory.ts'
import { reapTrainers } from './reaping.ts'
import { listRunDirectories, serverEventsFile } from './run-files.ts'
import type { OwnLog, RunLog } from './run-log.ts'
import type { Scheduler } from './scheduler.ts'
import { freeSetAside, listSetAside } from './set-aside.ts'
import type { Launcher } from './trainer-process.ts'
import { insertUnknownRun } from './unknown-run.ts'

export interface RecoveryDeps extends AttemptEndDeps {
  store: RunStore
  scheduler: Scheduler
  launcher: Launcher
  runsDirectory: string
  log: Log
}

/** What a start came to: ids of runs. */
export interface Recovery {
  /** Their trainers run on. */
  readopted: string[]
  /** They had their devices and no trainer yet: it was started now. */
  launched: string[]
  /** They ended while no server ran, or wait for whoever had them paused. */
  ended: string[]
  /** Their attempts died, and are to be tried again; or they were paused for the server to be stopped. */
  requeued: string[]
  /** They wait as before. */
  queued: string[]
  /** Their directories hold what nobody writes there, and they have ended. */
  damaged: string[]
  /** Of trainers that nobody owned: `<run>/<attempt>`. */
  reaped: string[]
}

type Fate = Exclude<keyof Recovery, 'reaped'>

/** So many directories are looked at at once. */
const looksAtOnce = 64

/** Called once, before the first request. Runs in order of age, so that leases fall to those that took them first. */
export async function recoverRuns(deps: RecoveryDeps): Promise<Recovery> {
  const recovery: Recovery = {
    readopted: [],
    launched: [],
    ended: [],
    requeued: [],
    queued: [],
    damaged: [],
    reaped: [],
  }
  // Nobody is given what a trainer that is yet to be reaped has.
  await deps.scheduler.queue.between(() => recoverInto(recovery, deps))
  return recovery
}

async function recoverInto(recovery: Recovery, deps: RecoveryDeps): Promise<void> {
  const { store, log } = deps
  const strangers = await readUnknownDirectories(deps)
  const live = await listLive(deps)
  await takeUp(deps, live, async (runLog) => {
    const fate = await recoverRun(deps, runLog)
    if (fate !== null) recovery[fate].push(runLog.runId)
  })
  recovery.reaped.push(...(await reapUnowned(deps, [...strangers, ...live, ...recovery.damaged])))
  for (const device of await store.deleteStaleLeases()) {
    log.warn(`The device ${device} was held for an attempt that is over; it is free again.`)
  }
  // The server may have died between a trainer and what its death said of the device.
  await deps.quarantine.look(null)
  await freeOfEnded(deps)
  tell(log, recovery)
}

/** Checkpoints that trainers had set aside when they were killed, of runs that no attempt may come for. */
async function freeOfEnded(deps: RecoveryDeps): Promise<void> {
  const { store, scheduler, runsDirectory, log } = deps
  for (const runId of new Set((await store.listWordless()).map((attempt) => attempt.runId))) {
    try {
      if ((await listSetAside(join(runsDirectory, runId))).length === 0) continue
      await scheduler.runLogs.exclusively(runId, async (own) => {
        if (isTerminal(own.run.state)) await freeSetAside(deps, own)
      })
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error
      log.error(`What is set aside of the checkpoints of run ${runId} could not be freed.`, error)
    }
  }
}

/**
 * Called when the database is back after it was away. To a run that nobody looks after, that is as if the server had been:
 * what came of it meanwhile, and what was written of it and not stored, is found in its directory.
 */
export async function reconcileRuns(deps: RecoveryDeps): Promise<void> {
  const { attempts, queue } = deps.scheduler
  await queue.between(async () => {
    await takeUp(deps, await listLive(deps), async (runLog) => {
      if (!attempts.supervises(runLog.runId)) await recoverRun(deps, runLog)
      // One whose log cannot be read is ended by who looks after it.
      else if ((await takeOver(runLog)) === null && isLeaving(runLog.run.state)) attempts.stop(runLog.runId)
    })
    await deps.quarantine.look(null)
  })
}

const isLeaving = (state: RunState): boolean => state === 'PAUSING' || state === 'CANCELING'

async function listLive({ store }: RecoveryDeps): Promise<string[]> {
  return (await store.listInStates(liveRunStates)).map(({ id }) => id)
}

/** Has something done for each of these runs, and those that the database has not heard the last of, in order of age. */
async function takeUp(
  deps: RecoveryDeps,
  live: readonly string[],
  action: (runLog: RunLog) => Promise<void>,
): Promise<void> {
  const { store, scheduler, log, runsDirectory } = deps
  for (const id of [...new Set([...live, ...(await listUnread(deps))])].sort()) {
    if (!existsSync(join(runsDirectory, id))) {
      log.warn(`The directory of run ${id} is gone, and with it the run.`)
      await store.delete(id)
      scheduler.runLogs.drop(id)
      continue
    }
    try {
      await scheduler.runLogs.use(id, action)
    } catch (error) {
      if (error instanceof DatabaseUnavailable) throw error
      log.error(`Run ${id} could not be taken up again; its directory is left as it is.`, error)
    }
  }
}

function tell(log: Log, { readopted, launched, ended, requeued, queued, damaged, reaped }: Recovery): void {
  const parts: [string[], string][] = [
    [readopted, 're-adopted'],
    [launched, 'launched'],
    [ended, 'ended meanwhile'],
    [requeued, 'requeued'],
    [queued, 'queued'],
    [damaged, 'damaged'],
    [reaped, 'reaped'],
  ]
  if (parts.every(([ids]) => ids.length === 0)) return
  log.info(`Runs taken up: ${parts.map(([ids, word]) => `${ids.length} ${word}`).join(', ')}.`)
  for (const [ids, word] of parts) if (ids.length > 0) log.debug(`${word}: ${ids.join(', ')}`)
}

/**
 * Directories without a row: the database is younger than they are, or the server died between the two.
 * @returns the names of those that cannot be read
 */
async function readUnknownDirectories({ store, runsDirectory, log }: RecoveryDeps): Promise<string[]> {
  const known = new Set(await store.listIds())
  const unreadable: string[] = []
  for (const name of await listRunDirectories(runsDirectory)) {
    if (known.has(name)) continue
    try {
      await insertUnknownRun(store, { runId: name, directory: join(runsDirectory, name) })
    } catch (error) {
      log.error(`${join(runsDirectory, name)} is no run directory that can be read; it is left as it is.`, error)
      unreadable.push(name)
    }
  }
  return unreadable
}

/**
 * Runs whose file of server events goes on behind what was taken over: the server died between the two. Only of runs that
 * have ended this is news; it may be that they do not stay so.
 */
async function listUnread({ store, runsDirectory }: RecoveryDeps): Promise<string[]> {
  const look = createLimit(looksAtOnce)
  const unread = await Promise.all(
    (await store.listServerOffsets()).map(({ runId, offset }) =>
      look(async () => {
        const file = await stat(serverEventsFile(join(runsDirectory, runId))).catch(nullWhereAbsent)
        return file !== null && file.size > offset ? [runId] : []
      }),
    ),
  )
  return unread.flat()
}

/**
 * Ends the trainers that hold what no run owns: attempts that are over of runs that have not ended, any attempt where the
 * directory is none of a run, and of runs that have ended those whose trainers never said a last word.
 */
async function reapUnowned(deps: RecoveryDeps, directories: readonly string[]): Promise<string[]> {
  const { store, launcher, runsDirectory, log } = deps
  const owned = new Map((await store.listInStates(holdingRunStates)).map(({ id, attempt }) => [id, attempt]))
  const wordless = (await store.listWordless()).map(({ runId }) => runId)
  const look = createLimit(looksAtOnce)
  const reaped = await Promise.all(
    [...new Set([...directories, ...wordless])].sort().map((id) =>
      look(async () => {
        try {
          const attempts = await reapTrainers(launcher, join(runsDirectory, id), owned.get(id) ?? null)
          return attempts.map((attempt) => `${id}/${attempt}`)
        } catch (error) {
          log.error(`Whether a trainer still runs in ${join(runsDirectory, id)} cannot be told.`, error)
          return []
        }
      }),
    ),
  )
  return reaped.flat()
}

/** Null: nothing was to be done. */
async function recoverRun(deps: RecoveryDeps, runLog: RunLog): Promise<Fate | null> {
  try {
    return await carryOn(deps, runLog)
  } catch (error) {
    if (!isInvalidDirectory(error)) throw error
    deps.log.error(`Run ${runLog.runId} cannot be taken up again, and ended.`, error)
    await runLog.exclusively((own) => endInvalid(own, error))
    return 'damaged'
  }
}

async function carryOn(deps: RecoveryDeps, runLog: RunLog): Promise<Fate | null> {
  const { runId, directory } = runLog
  const { attempts } = deps.scheduler
  const invalid = await takeOver(runLog)
  if (runLog.damage() !== null) return 'damaged'
  const { state, attempt } = runLog.run
  if (isTerminal(state)) return null
  if (state === 'QUEUED' || state === 'PAUSED') {
    const last = await deps.events.findLast(runId, 0)
    if (last?.event.type === 'cancelRequested') {
      // Died between the wish to cancel and its fulfilment.
      await runLog.append({ type: 'canceled' })
      return 'ended'
    }
    if (state === 'QUEUED') return 'queued'
    await runLog.exclusively(resumeDrained)
    return runLog.run.state === 'QUEUED' ? 'requeued' : null
  }
  const holder = runLog.isReleased() ? null : await deps.launcher.findHolder(directory, attempt)
  if (holder !== null && !holder.isGone()) {
    attempts.supervise(runLog, holder)
    return 'readopted'
  }
  // Leased and, as far as the directory says, never started. Should a process be about to take the attempt after
  // all, it or ours finds the attempt taken and leaves.
  const neverStarted = holder === null && !runLog.isReleased() && !existsSync(exitFile(directory, attempt))
  if (state === 'STARTING' && neverStarted && invalid === null) {
    await attempts.launch(runId)
    return 'launched'
  }
  await endAttemptOf(deps, runLog, invalid)
  return runLog.run.state === 'QUEUED' ? 'requeued' : 'ended'
}

/** What is known of it does not suffice to go on. */
async function endInvalid(own: OwnLog, invalid: TrainqlError): Promise<void> {
  const { state } = own.run
  if (isTerminal(state)) return
  if (isHolding(state)) await release(own, null)
  await own.append(failedBy(invalid, own.run))
}

/** Of a trainer that is gone. */
async function endAttemptOf(deps: RecoveryDeps, runLog: RunLog, known: TrainqlError | null): Promise<void> {
  // It may have written on until it went.
  const invalid = known ?? (await takeOver(runLog))
  const end = { attempt: runLog.run.attempt, exit: null, invalid, givenUp: null }
  await runLog.exclusively(async (own) => {
    await endAttempt(deps, own, end)
    await resumeDrained(own)
  })
}

/** Takes over what the files hold; an error where they hold what no trainer writes. */
function takeOver(runLog: RunLog): Promise<TrainqlError | null> {
  return findInvalid(() => runLog.takeOver())
}
