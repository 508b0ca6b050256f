// Ends an attempt whose trainer is gone: gathers what it left, judges, gives the devices back and says so.
import { open, readFile, stat } from 'node:fs/promises'
import { isTrainerEvent } from '../../shared/events.ts'
import { type ExitRecord, exitFile, parseExitRecord } from '../../shared/run-directory.ts'
import { isHolding } from '../../shared/run-state.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import { faultOf } from '../devices/device-fault.ts'
import type { QuarantineService } from '../devices/quarantine.service.ts'
import type { Log } from '../log.ts'
import type { RunEventStore } from '../runs/run-event.store.ts'
import { putUpFence } from './fence.ts'
import { countTornBytesOf } from './log-reader.ts'
import { isLast, judgeOutcome, type TrainerEnd } from './outcome.ts'
import { findResumePoint } from './resume-point.ts'
import { freeSetAside } from './set-aside.ts'
import { trainerOutputFile } from './run-files.ts'
import type { OwnLog } from './run-log.ts'
import type { AttemptEnd } from './supervision.ts'

export interface AttemptEndDeps {
  events: RunEventStore
  checkpoints: CheckpointService
  quarantine: QuarantineService
  log: Log
  now: () => Date
}

/**
 * Everything the trainer wrote has been taken over. Safe to call again where a crash came in between, and for an attempt
 * that is over already: what has become of the run since is none of its business.
 */
export async function endAttempt(deps: AttemptEndDeps, log: OwnLog, end: AttemptEnd): Promise<void> {
  const { attempt, state } = log.run
  if (attempt !== end.attempt || !isHolding(state)) return
  const traces = await gather(deps, log, end)
  const fault = faultOf(traces)
  await tellTorn(deps, log)
  await release(log, fault)
  // Before the next run is given them.
  if (fault !== null) await deps.quarantine.look(log.run.deviceNames)
  const outcome = judgeOutcome(traces)
  if (isLast(outcome)) await freeSetAside(deps, log)
  await log.append(outcome)
}

/**
 * Gives the devices of the latest attempt back, once; from then on nothing that it may still write counts.
 * @param fault What may have been wrong with them; null: nothing.
 */
export async function release(log: OwnLog, fault: string | null): Promise<void> {
  if (!log.isReleased()) {
    await log.append({ type: 'released', toAttempt: log.run.attempt, devices: log.run.deviceNames, fault })
  }
  await putUpFence(log.directory, { attempt: log.run.attempt, seq: log.lastSeq() })
}

/** What the trainer left of a last line that it did not finish. It was never an event; that it is missing is one. */
async function tellTorn({ events }: AttemptEndDeps, log: OwnLog): Promise<void> {
  const { runId, directory, run } = log
  if (log.isReleased()) return
  const bytes = await countTornBytesOf(directory, run.attempt)
  if (bytes === 0) return
  const last = (await events.findLast(runId, 0))?.event
  const told = last?.type === 'logTorn' && last.toAttempt === run.attempt
  if (!told) await log.append({ type: 'logTorn', toAttempt: run.attempt, bytes })
}

async function gather(deps: AttemptEndDeps, log: OwnLog, end: AttemptEnd): Promise<TrainerEnd> {
  const { runId, directory, run } = log
  const { exit, invalid, givenUp } = end
  const last = await deps.events.findLast(runId, run.attempt)
  return {
    lastEvent: last === null || !isTrainerEvent(last.event) ? null : last.event,
    step: run.step,
    checkpoint: await findResumePoint(deps.checkpoints, log),
    exitRecord: await readExitRecord(directory, run.attempt),
    exit,
    output: await readOutputEnd(directory),
    refusal: refusalOf({ invalid, givenUp }),
    asked: run.state === 'CANCELING' ? 'CANCEL' : run.state === 'PAUSING' ? (run.pauseReason ?? 'USER') : null,
    retry: { policy: log.retry, tries: run.tries, now: deps.now() },
  }
}

function refusalOf({ invalid, givenUp }: Pick<AttemptEnd, 'invalid' | 'givenUp'>): TrainerEnd['refusal'] {
  if (invalid !== null) return { cause: 'INVALID_LOG', error: invalid }
  if (givenUp === null) return null
  return { cause: givenUp.code === 'TRAINER_DIED' ? 'NOT_STARTED' : 'GIVEN_UP', error: givenUp }
}

async function readExitRecord(directory: string, attempt: number): Promise<ExitRecord | null> {
  try {
    return parseExitRecord(JSON.parse(await readFile(exitFile(directory, attempt), 'utf8')))
  } catch {
    // Absent or torn: the trainer was killed.
    return null
  }
}

const outputBytes = 400

/** The end of the trainer's output on one line; empty where there is none. */
async function readOutputEnd(directory: string): Promise<string> {
  const path = trainerOutputFile(directory)
  try {
    const { size } = await stat(path)
    const file = await open(path, 'r')
    try {
      const start = Math.max(0, size - outputBytes)
      const { buffer, bytesRead } = await file.read(Buffer.alloc(outputBytes), 0, outputBytes, start)
      const text = buffer
        .toString('utf8', 0, bytesRead)
        .trim()
        .replace(/\s*\n\s*/g, ' | ')
      return start === 0 ? text : `… ${text}`
    } finally {
      await file.close()
    }
  } catch {
    return ''
  }
}
