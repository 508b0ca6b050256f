// One run's event files as one ordered stream: takes them over into the database exactly once, in an order that the
// files alone determine, and appends the server's own events to it.
import { basename } from 'node:path'
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'
import { findLineDamage } from '../../shared/event-line.ts'
import {
  parseServerEvent,
  parseTrainerEvent,
  type RunEvent,
  type ServerEvent,
  type Unidentified,
} from '../../shared/events.ts'
import { eventsFile } from '../../shared/run-directory.ts'
import { isTerminal } from '../../shared/run-state.ts'
import type { RetryPolicy } from '../../shared/run-spec.ts'
import type { RunFeed } from '../runs/run-feed.ts'
import { projectEvents, type RunProjection } from '../runs/run.projection.ts'
import type { LogPosition, RunStore } from '../runs/run.store.ts'
import { type EventLine, readEventLines } from './event-lines.ts'
import { appendServerEvent, serverEventsFile } from './run-files.ts'

export interface RunLog {
  readonly runId: string
  readonly directory: string
  /** Of its spec. */
  readonly retry: RetryPolicy
  /** The run as its stored events make it. */
  readonly run: Readonly<RunProjection>
  /** Whether the devices of its latest attempt have been given back. */
  isReleased(): boolean
  /** The last event of its latest attempt that was taken over; once that is released, the last that counts. */
  lastSeq(): number
  /** Stores everything the files hold, and returns the events that were new. */
  takeOver(): Promise<RunEvent[]>
  /** Writes an event of the server's to the disk, behind everything stored so far, and stores it. */
  append(event: Unidentified<ServerEvent>): Promise<void>
  /**
   * Runs an action in this run's one queue, between its other actions: a decision and the events it leads to are one.
   * Inside, use the methods of the log it is given, which do not queue.
   */
  exclusively<T>(action: (log: OwnLog) => Promise<T>): Promise<T>
}

/** A run's log as an action in its queue sees it: nothing happens to the run but what the action does. */
export type OwnLog = Pick<
  RunLog,
  'runId' | 'directory' | 'retry' | 'takeOver' | 'append' | 'run' | 'isReleased' | 'lastSeq'
>

export interface RunLogDeps {
  store: RunStore
  feed: RunFeed
  now: () => Date
}

/** The most that one transaction takes over. */
const batchBytes = 256 * 1024

const serverAttempt = 0

interface PlacedEvent {
  event: RunEvent
  /** Bytes up to and with its line's newline. */
  end: number
}

interface Cursor {
  seq: number
  offset: number
}

/** Opens the log of a run that has a row, at the position its rows were last taken over to. */
export async function openRunLog(
  { store, feed, now }: RunLogDeps,
  { runId, directory }: { runId: string; directory: string },
): Promise<RunLog> {
  const record = await store.find(runId)
  if (record === null) throw new Error(`no row of run ${runId}`)
  let run: RunProjection = projectionOf(record)
  const positions = new Map<number, Cursor>(
    (await store.listLogPositions(runId)).map(({ attempt, seq, offset }) => [attempt, { seq, offset }]),
  )
  const { retry } = record.spec
  const released = new Set(await store.listReleasedAttempts(runId))
  const isReleased = (): boolean => released.has(run.attempt)
  const lastSeq = (): number => (run.attempt === 0 ? 0 : cursorOf(run.attempt).seq)
  /** Server events read from the file whose turn has not come. */
  const pending: { event: ServerEvent; end: number }[] = []
  let turn: Promise<unknown> = Promise.resolve()

  const cursorOf = (attempt: number): Cursor => positions.get(attempt) ?? { seq: 0, offset: 0 }
  const serverEnd = (): Cursor => {
    const last = pending.at(-1)
    return last === undefined ? cursorOf(serverAttempt) : { seq: last.event.seq, offset: last.end }
  }

  async function readServerEvents(): Promise<void> {
    const file = serverEventsFile(directory)
    const { offset } = serverEnd()
    for (const line of await readEventLines(file, offset, batchBytes)) {
      const event = parseEvent(line, parseServerEvent, { file, runId })
      if (checkSeq(event, { attempt: serverAttempt, last: serverEnd().seq, file }))
        pending.push({ event, end: line.end })
    }
  }

  /** The next events of the files in their one order, within the limit of a batch. */
  async function readBatch(): Promise<PlacedEvent[]> {
    await readServerEvents()
    const head = pending[0]
    const attempt = run.attempt
    if (attempt > 0 && !released.has(attempt)) {
      // Of this attempt's events, those before the server's next one come first; without one, all.
      const { behind } = head?.event ?? { behind: { attempt, seq: Infinity } }
      const batch = await readTrainerEvents(attempt, behind.attempt === attempt ? behind.seq : 0)
      if (batch.length > 0) return batch
    }
    // Where the trainer's file lacks events that the server had stored before (a disk that lost writes), the server's
    // own go on without them rather than wait for ever.
    return head === undefined ? [] : [head]
  }

  async function readTrainerEvents(attempt: number, upTo: number): Promise<PlacedEvent[]> {
    const { offset, seq } = cursorOf(attempt)
    if (seq >= upTo) return []
    const file = eventsFile(directory, attempt)
    const batch: PlacedEvent[] = []
    try {
      for (const line of await readEventLines(file, offset, batchBytes)) {
        const event = parseEvent(line, parseTrainerEvent, { file, runId })
        if (!checkSeq(event, { attempt, last: batch.at(-1)?.event.seq ?? seq, file })) continue
        if (event.seq > upTo) break
        batch.push({ event, end: line.end })
      }
    } catch (error) {
      // What came before the bad line counts; the line itself is met again, as the first.
      if (batch.length === 0 || !isTrainqlError(error)) throw error
    }
    return batch
  }

  async function storeBatch(batch: readonly PlacedEvent[]): Promise<void> {
    const changed = new Map<number, LogPosition>()
    for (const { event, end } of batch) {
      changed.set(event.attempt, { attempt: event.attempt, seq: event.seq, offset: end })
    }
    const projected = projectEvents(
      run,
      batch.map(({ event }) => event),
    )
    await store.apply(runId, projected, [...changed.values()])
    run = projected.run
    if (pending[0]?.event === batch[0]?.event) pending.shift()
    for (const { attempt, seq, offset } of changed.values()) positions.set(attempt, { seq, offset })
    for (const { number } of projected.attemptsReleased) released.add(number)
    feed.publish(runId, { events: projected.events, ended: isTerminal(run.state) })
  }

  async function takeOver(): Promise<RunEvent[]> {
    const taken: RunEvent[] = []
    for (;;) {
      const batch = await readBatch()
      if (batch.length === 0) return taken
      await storeBatch(batch)
      taken.push(...batch.map(({ event }) => event))
    }
  }

  async function append(event: Unidentified<ServerEvent>): Promise<void> {
    await readServerEvents()
    const { seq, offset } = serverEnd()
    const behind = { attempt: run.attempt, seq: lastSeq() }
    const identity = { run: runId, attempt: serverAttempt, seq: seq + 1, at: now().toISOString(), behind }
    await appendServerEvent(directory, parseServerEvent({ ...identity, ...event }), offset)
    await takeOver()
  }

  function exclusively<T>(action: (log: OwnLog) => Promise<T>): Promise<T> {
    const inside = {
      runId,
      directory,
      retry,
      isReleased,
      lastSeq,
      takeOver,
      append,
      get run() {
        return run
      },
    }
    const result = turn.then(() => action(inside))
    turn = result.catch(() => undefined)
    return result
  }

  return {
    runId,
    directory,
    retry,
    isReleased,
    lastSeq,
    get run() {
      return run
    },
    takeOver: () => exclusively((log) => log.takeOver()),
    append: (event) => exclusively((log) => log.append(event)),
    exclusively,
  }
}

/** The columns of a run's row that its events make. */
function projectionOf(record: RunProjection): RunProjection {
  const { architecture, initialFrom, state, attempt, deviceNames, engine, engineDetail, parameters } = record
  const { classNames, inputChannels, loadReport, resumeFrom, resumeDevices, stepsPerEpoch, epoch, step } = record
  const { loss, imagesPerSecond, failure, lastCursor, startedAt, finishedAt } = record
  const { priority, version, stateSince, pauseReason, tries, startedAttempt, notBefore, stall, plan } = record
  const { waitingSince, backfilledUntil } = record
  const course = { priority, version, stateSince, pauseReason, tries, startedAttempt, notBefore, stall, plan }
  const queue = { waitingSince, backfilledUntil }
  const origin = { architecture, initialFrom, resumeFrom, resumeDevices }
  const place = { state, attempt, deviceNames, engine, engineDetail, parameters, stepsPerEpoch, epoch, step }
  const data = { classNames, inputChannels, loadReport }
  const end = { failure, lastCursor, startedAt, finishedAt }
  return { ...origin, ...place, ...data, ...course, ...queue, loss, imagesPerSecond, ...end }
}

function parseEvent<E extends RunEvent>(
  { bytes, end }: EventLine,
  parse: (input: unknown) => E,
  { file, runId }: { file: string; runId: string },
): E {
  const damage = findLineDamage(bytes)
  if (damage !== null) {
    const { expected, found } = damage
    const place = `the line at byte ${end - 1 - bytes.length}`
    throw invalid(`${basename(file)}: expected ${place} to have the checksum ${expected}; found ${found}.`)
  }
  let event: E
  try {
    event = parse(JSON.parse(bytes.toString()))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const found = JSON.stringify(bytes.toString().slice(0, 80))
    throw invalid(`${basename(file)}: expected an event in the line that ends at byte ${end}; found ${found} (${why}).`)
  }
  if (event.run === runId) return event
  throw invalid(`${basename(file)}: expected an event of run ${runId}; found one of run ${event.run}.`)
}

/** Whether the event is the next one; false for one that is stored already. */
function checkSeq(event: RunEvent, { attempt, last, file }: { attempt: number; last: number; file: string }): boolean {
  if (event.attempt !== attempt) {
    throw invalid(`${basename(file)}: expected events of attempt ${attempt}; found one of ${event.attempt}.`)
  }
  if (event.seq <= last) return false
  if (event.seq === last + 1) return true
  throw invalid(`${basename(file)}: expected event ${last + 1}; found event ${event.seq}.`)
}

function invalid(message: string): TrainqlError {
  const fix = 'Start the run again; look into its log.txt for what wrote this line, and for faults of its disk.'
  return new TrainqlError({ code: 'RUN_DIRECTORY_INVALID', message, fix })
}
