// Judges how a trainer is while it runs: silent, heard of again, or with a replica that does not move. What it finds becomes
// an event of the run, and what the run's policy no longer bears ends the attempt.
import { readFile } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { TrainqlError } from '../../shared/errors.ts'
import { type Heartbeat, heartbeatFile, parseHeartbeat } from '../../shared/run-directory.ts'
import { DatabaseUnavailable } from '../database/outage.ts'
import type { Log } from '../log.ts'
import type { OwnLog, RunLog } from './run-log.ts'
import { createSilence, type Look } from './silence.ts'
import { findStalled, hasMoved, type StalledReplica } from './stall.ts'

/** When a trainer counts as silent, or as one that does not begin, and a replica as stalled. */
export interface VitalityLimits {
  /** Without a new heartbeat; those come each second. */
  silentSeconds: number
  /** Alive and without an event before it began to train. */
  startSeconds: number
  /** At work without having moved. */
  stalledSeconds: number
}

/** From one look to the next. */
const pollMs = 500
/** So much longer may it take to the first heartbeat: a process has to load. */
const startFactor = 4

/** What was last heard of a trainer. */
export interface Vitality {
  heartbeat: Heartbeat
  silentSeconds: number
}

export interface VitalityWatch {
  /** Null: nothing yet. */
  latest(): Vitality | null
  /** An event of its was read: a sign of life. */
  heard(): void
  stop(): void
}

export interface VitalityOptions {
  runLog: RunLog
  attempt: number
  limits: VitalityLimits
  /** The attempt is not to go on. */
  giveUp: (why: TrainqlError) => void
  log: Log
}

/** So many looks may be missed before this server counts as not having listened. */
const missedLooks = 4

interface Course {
  /** The latest; null: there was none. */
  heartbeat: Heartbeat | null
  /** Since its last event. */
  wordlessMs: number
}

export function watchVitality({ runLog, attempt, limits, giveUp, log }: VitalityOptions): VitalityWatch {
  const file = heartbeatFile(runLog.directory, attempt)
  const listening = { monotonicMs: () => performance.now(), longestGapMs: missedLooks * pollMs }
  const silence = createSilence(listening)
  /** Of events alone, from the first sign of life. */
  const words = createSilence(listening)
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let latest: Vitality | null = null
  /** Not yet told as `reachable`. */
  let signOfLife = false
  let over = false

  async function look(): Promise<void> {
    const text = await readFile(file, 'utf8').catch(() => null)
    const seen = silence.look(text)
    if (!seen.everHeard) words.heard()
    const wordless = words.look(null)
    signOfLife ||= seen.moved
    const heartbeat = (text === null ? null : findHeartbeat(text)) ?? latest?.heartbeat ?? null
    if (heartbeat !== null) latest = { heartbeat, silentSeconds: seen.silentMs / 1000 }
    await judge(seen, { heartbeat, wordlessMs: wordless.silentMs })
    signOfLife = false
  }

  /** An append happens in the run's own turn, and only while the attempt is still what it was taken for. */
  function decide(action: (own: OwnLog) => Promise<void>): Promise<void> {
    return runLog.exclusively(async (own) => {
      if (!stopped && own.run.attempt === attempt && !own.isReleased()) await action(own)
    })
  }

  function end(why: TrainqlError): void {
    over = true
    giveUp(why)
  }

  async function judge(seen: Look, { heartbeat, wordlessMs }: Course): Promise<void> {
    if (over) return
    const { state } = runLog.run
    if (state === 'UNREACHABLE') {
      if (signOfLife) await tellReachable()
      else if (seen.silentMs >= runLog.retry.unreachableSeconds * 1000) end(unreachable(seen.silentMs))
      return
    }
    if (seen.silentMs >= limits.silentSeconds * 1000 * (seen.everHeard ? 1 : startFactor)) {
      if (state === 'STARTING' || state === 'RUNNING') await tellUnreachable(seen.silentMs)
      return
    }
    if (state === 'STARTING' && wordlessMs >= limits.startSeconds * 1000) end(notBegun(wordlessMs))
    if (heartbeat !== null && state === 'RUNNING') await judgeReplicas(heartbeat)
  }

  function tellReachable(): Promise<void> {
    return decide(async (own) => {
      if (own.run.state === 'UNREACHABLE') await own.append({ type: 'reachable', toAttempt: attempt })
    })
  }

  function tellUnreachable(silentMs: number): Promise<void> {
    return decide(async (own) => {
      if (own.run.state !== 'STARTING' && own.run.state !== 'RUNNING') return
      await own.append({ type: 'unreachable', toAttempt: attempt, silentSeconds: roundedSeconds(silentMs) })
    })
  }

  async function judgeReplicas(heartbeat: Heartbeat): Promise<void> {
    const { stall } = runLog.run
    if (stall !== null && hasMoved(heartbeat, stall)) {
      await decide(async (own) => {
        if (own.run.stall === null) return
        await own.append({ type: 'replicaMoved', toAttempt: attempt, replica: own.run.stall.replica })
      })
      return
    }
    const { stalledSeconds: most } = runLog.retry
    const stalled = findStalled(heartbeat, Math.min(limits.stalledSeconds, most ?? Infinity))
    if (stalled === null) return
    if (stall === null) {
      await decide(async (own) => {
        if (own.run.state === 'RUNNING') await own.append({ type: 'replicaStalled', toAttempt: attempt, ...stalled })
      })
    }
    if (most !== null && stalled.stalledSeconds >= most) end(stuck(stalled))
  }

  async function lookOn(): Promise<void> {
    try {
      await look()
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable))
        log.error(`Looking after the trainer of run ${runLog.runId} failed; trying on.`, error)
    }
    if (!stopped) timer = setTimeout(() => void lookOn(), pollMs).unref()
  }
  void lookOn()

  return {
    latest: () => latest,
    heard() {
      silence.heard()
      words.heard()
      signOfLife = true
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** Null where it is being written in place just now, or is damaged. */
function findHeartbeat(text: string): Heartbeat | null {
  try {
    return parseHeartbeat(JSON.parse(text))
  } catch {
    return null
  }
}

function roundedSeconds(milliseconds: number): number {
  return Math.round(milliseconds / 100) / 10
}

function unreachable(silentMs: number): TrainqlError {
  return new TrainqlError({
    code: 'TRAINER_UNREACHABLE',
    message: `Nothing was heard of the trainer for ${roundedSeconds(silentMs)} s, and it was given up.`,
    fix: 'Look whether its machine is up and reaches the run directory, then resume the run.',
  })
}

function notBegun(wordlessMs: number): TrainqlError {
  return new TrainqlError({
    code: 'TRAINER_STALLED',
    message: `The trainer lives and did not begin to train: for ${roundedSeconds(wordlessMs)} s it told nothing of its start.`,
    fix: 'Look into log.txt in the run directory, and whether its dataset and folders can be read; then resume the run.',
  })
}

function stuck({ replica, device, step, stalledSeconds }: StalledReplica): TrainqlError {
  return new TrainqlError({
    code: 'TRAINER_STALLED',
    message: `Replica ${replica} on ${device} did not move for ${stalledSeconds} s after step ${step}, and the trainer was ended.`,
    fix: `Look after ${device}, or keep it out of use; then resume the run.`,
  })
}
