// Looks after one attempt while its trainer runs: takes its events over, has it leave when asked, and sees it end.
import type { TrainqlError } from '../../shared/errors.ts'
import { findEventsFileParts } from '../../shared/run-directory.ts'
import { outlast } from '../database/outage.ts'
import type { Log } from '../log.ts'
import { followFiles } from './follow-file.ts'
import { findInvalid } from './invalid-directory.ts'
import type { RunLog } from './run-log.ts'
import type { TrainerExit, TrainerProcess } from './trainer-process.ts'
import { type Vitality, type VitalityLimits, watchVitality } from './vitality.ts'

/** How long a trainer may take from its last event to its exit. */
const exitPatienceMs = 15_000

/** From SIGKILL until a process that is still there counts as out of reach: on a host that is away, or stuck in a driver. */
const killPatienceMs = 5_000

/** A trainer that is gone, or out of reach. */
export interface AttemptEnd {
  attempt: number
  exit: TrainerExit | null
  /** Its log was found to hold what no trainer writes. */
  invalid: TrainqlError | null
  /** It was given up, and why. */
  givenUp: TrainqlError | null
}

export interface Supervision {
  /** Resolves when the process is gone and its log taken over; null where the server let go of it before. */
  readonly ended: Promise<AttemptEnd | null>
  /** SIGTERM now, SIGKILL after the grace time. What is out of reach of both counts as gone a moment later. */
  stop(graceMs: number): void
  /** SIGKILL; the attempt ends whether the process can be reached or not. Resolves when it has gone, or counts as gone. */
  giveUp(why: TrainqlError): Promise<void>
  /** What was last heard of the trainer; null: nothing yet. */
  vitality(): Vitality | null
  /** Lets go of the process, which runs on. */
  detach(): void
}

export interface SupervisionOptions {
  runLog: RunLog
  attempt: number
  process: TrainerProcess
  limits: VitalityLimits
  log: Log
}

export function superviseAttempt(options: SupervisionOptions): Supervision {
  const { runLog, attempt, process, limits, log } = options
  let killTimer: NodeJS.Timeout | undefined
  const readBefore = runLog.lastHeard()?.seq ?? null
  let lastHeardSeq = 0
  let invalid: TrainqlError | null = null
  let givenUp: TrainqlError | null = null
  let lose: () => void = () => undefined
  const lost = new Promise<null>((resolve) => {
    lose = () => resolve(null)
  })
  const gone = Promise.race([process.exited, lost])
  /** Whoever lets go does not wait for a database that is away. */
  const waiting = new AbortController()
  let letGo: () => void = () => undefined
  const detached = new Promise<'detached'>((resolve) => {
    letGo = () => {
      waiting.abort()
      resolve('detached')
    }
  })

  const kill = (): void => {
    clearTimeout(killTimer)
    process.signal('SIGKILL')
    killTimer = setTimeout(lose, killPatienceMs).unref()
  }
  const killAfter = (ms: number): void => {
    clearTimeout(killTimer)
    killTimer = setTimeout(kill, ms).unref()
  }

  async function takeOver(): Promise<void> {
    if (invalid !== null) return
    invalid = await findInvalid(() => outlast(() => runLog.takeOver(), waiting.signal))
    if (invalid !== null) {
      // Nothing it writes can be believed any more.
      kill()
      return
    }
    const heard = runLog.lastHeard()
    if (heard === null || heard.seq === lastHeardSeq) return
    lastHeardSeq = heard.seq
    // What was read before may have been written long ago: it is no sign of life.
    if (heard.seq !== readBefore) vitality.heard()
    if (lastWords.has(heard.type)) killAfter(exitPatienceMs)
  }

  async function giveUp(why: TrainqlError): Promise<void> {
    givenUp ??= why
    kill()
    await gone
  }

  const vitality = watchVitality({ runLog, attempt, limits, giveUp: (why) => void giveUp(why), log })
  const pump = coalesce(() =>
    takeOver().catch((error: unknown) => {
      if (!waiting.signal.aborted) log.error(`Taking over events of run ${runLog.runId} failed; trying on.`, error)
    }),
  )
  const isOfLog = (name: string): boolean => findEventsFileParts(name)?.attempt === attempt
  const follower = followFiles(runLog.directory, isOfLog, pump.run)
  pump.run()

  async function watchToEnd(): Promise<AttemptEnd | null> {
    const exit = await Promise.race([gone, detached])
    follower.stop()
    vitality.stop()
    clearTimeout(killTimer)
    process.unwatch()
    await pump.settled()
    if (exit === 'detached') return null
    await takeOver()
    return { attempt, exit, invalid, givenUp }
  }

  return {
    ended: watchToEnd(),
    stop(graceMs) {
      process.signal('SIGTERM')
      killAfter(graceMs)
    },
    giveUp,
    vitality: () => vitality.latest(),
    detach: letGo,
  }
}

const lastWords: ReadonlySet<string> = new Set(['finished', 'failed', 'stopped'])

/** Runs an action that must not overlap itself; calls while it runs lead to one more run. */
function coalesce(action: () => Promise<void>): { run: () => void; settled: () => Promise<void> } {
  let running: Promise<void> | null = null
  let calls = 0
  const loop = async (): Promise<void> => {
    for (let seen = 0; seen !== calls;) {
      seen = calls
      await action()
    }
    calls = 0
    running = null
  }
  return {
    run() {
      calls += 1
      running ??= loop()
    },
    settled: () => running ?? Promise.resolve(),
  }
}
