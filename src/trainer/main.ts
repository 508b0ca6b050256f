// The trainer's process entry: `main.ts <runDirectory> <attempt>`. Takes the attempt for itself, trains, and leaves
// an exit record as its last act. Its exit codes are in `src/shared/exit-codes.ts`.
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { inspect } from 'node:util'
import { type ErrorCode, TrainqlError, isTrainqlError } from '../shared/errors.ts'
import { exitCodeOf, exitCodes, type ExitCode } from '../shared/exit-codes.ts'
import { eventsFile, exitFile, type ExitRecord } from '../shared/run-directory.ts'
import { endProcess } from './addon.ts'
import { removeMarked } from './checkpoints/unfinished.ts'
import { diskFullOr, reserveDisk, writeFileAtomically, type DiskReserve } from './disk.ts'
import { defaultPartBytes, openEventLog, type EventLog } from './event-log.ts'
import { checkFence, FencedError, isDisowned, isFenced } from './fence.ts'
import { startHeartbeat } from './heartbeat.ts'
import { openJob } from './job.ts'
import { train, type Control, type Outcome } from './loop.ts'
import { takeAttempt } from './ownership.ts'
import { createProgress, type Progress } from './progress.ts'
import { listenToSignals } from './signals.ts'

const usage = 'Usage: main <runDirectory> <attempt>, with spec.json and attempt.<n>.json in the run directory.'

/** Some thousands of steps in the log of a run that goes on while the disk is full. */
const lendBytes = 768 * 1024

/** Whoever looks into them wants the stack. */
const unforeseen: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['INTERNAL', 'ENGINE_FAILED'])

process.exitCode = await main(process.argv.slice(2))
// Engines may leave threads behind; everything that matters is on the disk.
await Promise.all([process.stdout, process.stderr].map(written))
process.exit()

/** Returns when all lines are written, or cannot be. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve()
    })
  })
}

async function main(argv: readonly string[]): Promise<ExitCode> {
  // The log is for people: not being able to write it must not end the run.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  const [path, number] = argv
  const attempt = Number(number)
  if (argv.length !== 2 || path === undefined || !Number.isSafeInteger(attempt) || attempt < 1 || !existsSync(path)) {
    process.stderr.write(`${usage}\n`)
    return exitCodes.badInput
  }
  const control = listenToSignals(say)
  const directory = resolve(path)
  if (isFenced(directory, attempt)) {
    say(new FencedError(attempt).message)
    return exitCodes.fenced
  }
  try {
    takeAttempt(directory, attempt)
  } catch (error) {
    explain(error)
    return codeOf(diskFullOr(error, directory))
  }
  // From here on the attempt is ours: however it goes, the event log and the exit record say so.
  return await own({ directory, attempt, control })
}

interface Ownership {
  directory: string
  attempt: number
  control: Control
}

async function own({ directory, attempt, control }: Ownership): Promise<ExitCode> {
  const progress = createProgress()
  const run = basename(directory)
  let reserve: DiskReserve | undefined
  let events: EventLog | undefined
  let ended = false

  /** Writes the last words, once. */
  function end(code: ExitCode, error?: unknown): ExitCode {
    if (ended) return code
    if (isDisowned(directory, attempt)) leaveFenced()
    ended = true
    // Nothing else will be written: the last words may have the room.
    reserve?.release()
    try {
      if (error !== undefined) events?.append(failedEvent(error, progress))
      events?.sync()
      events?.close()
    } catch (closing) {
      explain(closing)
    }
    const record: ExitRecord = { code, at: new Date().toISOString() }
    if (code === exitCodes.stopped) record.signal = String(control.stop.reason)
    writeExitRecord(record)
    return code
  }

  function writeExitRecord(record: ExitRecord): void {
    try {
      writeFileAtomically(exitFile(directory, attempt), `${JSON.stringify(record)}\n`)
    } catch (writing) {
      explain(writing)
    }
  }

  /** Another attempt counts, or none: leaves as if it had died when the fence was put up. */
  function leaveFenced(): never {
    if (!ended) {
      ended = true
      say(new FencedError(attempt).message)
      reserve?.release()
      events?.abandon()
      removeMarked()
      writeExitRecord({ code: exitCodes.fenced, at: new Date().toISOString() })
    }
    return endProcess(exitCodes.fenced)
  }

  process.on('uncaughtException', (error) => {
    if (error instanceof FencedError) leaveFenced()
    explain(error)
    process.exit(end(codeOf(error), error))
  })

  try {
    reserve = reserveDisk(join(directory, `reserve.${attempt}`), lendBytes)
    const beforeWrite = (): void => checkFence(directory, attempt)
    const file = eventsFile(directory, attempt)
    events = openEventLog({ file, run, attempt, reserve, partBytes: logPartBytes(), beforeWrite })
    const stopHeartbeat = await startHeartbeat({ directory, run, attempt, progress, onFenced: leaveFenced })
    const outcome = await openAndTrain({ directory, attempt, progress, events, control })
    await stopHeartbeat()
    return end(outcome === 'finished' ? exitCodes.finished : exitCodes.stopped)
  } catch (error) {
    if (error instanceof FencedError) leaveFenced()
    const known = diskFullOr(error, directory)
    explain(known)
    return end(codeOf(known), known)
  }
}

interface Course extends Ownership {
  progress: Progress
  events: EventLog
}

async function openAndTrain({ directory, attempt, progress, events, control }: Course): Promise<Outcome> {
  try {
    const job = await openJob({
      directory,
      attempt,
      progress,
      onDecoding: ({ done, total, corrupt }) =>
        events.append({ type: 'decoding', images: done, ofImages: total, corruptImages: corrupt }),
      onDamaged: (passed) => events.append({ type: 'checkpointDamaged', ...passed }),
      stop: control.stop,
      say,
    })
    return await train({ ...job, progress, events, control, checkFence: () => checkFence(directory, attempt), say })
  } catch (error) {
    if (!control.stop.aborted || error !== control.stop.reason) throw error
    // Told to leave before training began, such as while images were decoded.
    events.append({ type: 'stopped', step: 0, lastCheckpoint: progress.lastCheckpoint })
    return 'stopped'
  }
}

function failedEvent(error: unknown, progress: Progress): Parameters<EventLog['append']>[0] {
  const known = isTrainqlError(error) ? error : internal(error)
  return {
    type: 'failed',
    code: known.code,
    message: known.message,
    fix: known.fix,
    step: progress.step > 0 ? progress.step : null,
    nonFinite: known.code === 'NON_FINITE_LOSS',
    lastCheckpoint: progress.lastCheckpoint,
  }
}

function logPartBytes(): number {
  const asked = Number(process.env['TRAINQL_LOG_PART_BYTES'])
  return asked > 0 ? asked : defaultPartBytes
}

/** What users see of a bug; the log has the rest. */
function internal(cause: unknown): TrainqlError {
  return new TrainqlError(
    {
      code: 'INTERNAL',
      message: 'The trainer met an error it does not know.',
      fix: "Read log.txt in the run's directory, and report it.",
    },
    { cause },
  )
}

function codeOf(error: unknown): ExitCode {
  return isTrainqlError(error) ? exitCodeOf(error.code) : exitCodes.internal
}

function explain(error: unknown): void {
  const expected = isTrainqlError(error) && !unforeseen.has(error.code)
  process.stderr.write(`${expected ? `${error.code}: ${error.message} ${error.fix}` : inspect(error)}\n`)
}

function say(line: string): void {
  process.stdout.write(`${new Date().toISOString()} ${line}\n`)
}
