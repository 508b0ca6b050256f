// Ends a run whose trainer is gone: gathers what it left, judges, gives the devices back and says so.
import { open, readFile, stat } from 'node:fs/promises'
import { isTrainerEvent } from '../../shared/events.ts'
import { type ExitRecord, exitFile, parseExitRecord } from '../../shared/run-directory.ts'
import type { CheckpointService } from '../checkpoints/checkpoint.service.ts'
import type { RunEventStore } from '../runs/run-event.store.ts'
import { type Outcome, judgeOutcome } from './outcome.ts'
import { trainerOutputFile } from './run-files.ts'
import type { RunLog } from './run-log.ts'
import type { AttemptEnd } from './supervision.ts'

export interface AttemptEndDeps {
  events: RunEventStore
  checkpoints: CheckpointService
}

/** Everything the trainer wrote has been taken over. Safe to call again where a crash came in between. */
export async function endAttempt(deps: AttemptEndDeps, runLog: RunLog, end: AttemptEnd): Promise<void> {
  await runLog.exclusively(async (log) => {
    const { attempt, deviceNames } = log.run
    const outcome = end.invalid === null ? await judge(deps, runLog, end) : failureOf(end.invalid)
    const lastOwn = await deps.events.findLast(runLog.runId, 0)
    if (lastOwn?.event.type !== 'released') {
      await log.append({ type: 'released', toAttempt: attempt, devices: deviceNames })
    }
    await log.append(outcome)
  })
}

function failureOf({ code, message, fix }: { code: string; message: string; fix: string }): Outcome {
  return { type: 'runFailed', code, message, fix, step: null, nonFinite: false }
}

async function judge(deps: AttemptEndDeps, runLog: RunLog, { exit }: AttemptEnd): Promise<Outcome> {
  const { runId, directory, run } = runLog
  const last = await deps.events.findLast(runId, run.attempt)
  const checkpoint = await deps.checkpoints.findLast(runId)
  return judgeOutcome({
    lastEvent: last === null || !isTrainerEvent(last.event) ? null : last.event,
    step: run.step,
    lastCheckpoint: checkpoint?.name ?? null,
    exitRecord: await readExitRecord(directory, run.attempt),
    exit,
    output: await readOutputEnd(directory),
    cancelRequested: run.state === 'CANCELING',
  })
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
