// A server that is stopped for a while: has its trainers write checkpoints and leave, and the next one has their runs go on.
import type { Log } from '../log.ts'
import type { Attempts } from './attempts.ts'
import type { OwnLog } from './run-log.ts'
import type { RunLogs } from './run-logs.ts'

export interface DrainDeps {
  runLogs: RunLogs
  attempts: Attempts
  /** From SIGTERM to SIGKILL. */
  graceMs: number
  log: Log
}

/** From one word to whoever waits to the next. */
const wordMs = 5_000

/**
 * Nothing new starts any more. Returns when every trainer that can be told to has left and its run is paused; one that does
 * not leave is killed after the grace time, and its run goes on from its last checkpoint. A silent one runs on.
 */
export async function drain({ runLogs, attempts, graceMs, log }: DrainDeps): Promise<void> {
  const leaving = new Set<string>()
  for (const runId of runLogs.listLive()) {
    try {
      if (await runLogs.exclusively(runId, (own) => askToLeave(own, attempts))) leaving.add(runId)
    } catch (error) {
      log.error(`Run ${runId} could not be paused; its trainer runs on.`, error)
    }
  }
  if (leaving.size === 0) return
  log.info(`Draining, for at most ${graceMs / 1000} s: waiting for ${trainersOf(leaving)}.`)
  const word = setInterval(() => log.info(`Still waiting for ${trainersOf(leaving)}.`), wordMs).unref()
  await Promise.all(
    [...leaving].map(async (runId) => {
      await attempts.settle(runId)
      leaving.delete(runId)
      const { state, step } = await runLogs.use(runId, ({ run }) => Promise.resolve(run))
      log.info(`The trainer of run ${runId} has left: ${state} at step ${step}; ${leaving.size} to go.`)
    }),
  )
  clearInterval(word)
}

/** Whether its trainer leaves. */
async function askToLeave(own: OwnLog, attempts: Attempts): Promise<boolean> {
  const { state } = own.run
  switch (state) {
    case 'STARTING':
    case 'RUNNING':
      await own.append({ type: 'pauseRequested', reason: 'DRAIN' })
      attempts.stop(own.runId)
      return true
    // Told to already.
    case 'PAUSING':
    case 'CANCELING':
      return true
    // Cannot be told anything, or has none.
    case 'UNREACHABLE':
    case 'QUEUED':
    case 'PAUSED':
    case 'CANCELED':
    case 'SUCCEEDED':
    case 'FAILED':
      return false
    default:
      return state satisfies never
  }
}

function trainersOf(runIds: ReadonlySet<string>): string {
  return `the ${runIds.size === 1 ? 'trainer of run' : `${runIds.size} trainers of runs`} ${[...runIds].join(', ')}`
}

/** A run that was paused for its server to be stopped is queued again, in the place that it had. */
export async function resumeDrained(own: OwnLog): Promise<void> {
  const { state, pauseReason, resumeFrom, resumeDevices } = own.run
  if (state !== 'PAUSED' || pauseReason !== 'DRAIN') return
  await own.append({ type: 'resumeRequested', checkpoint: resumeFrom, devices: resumeDevices })
}
