// One run's event files as one ordered stream: takes them over into the database exactly once, in an order that the
// files alone determine, and appends the server's own events to it. What it remembers of the run is what the database has.
import type { TrainqlError } from '../../shared/errors.ts'
import {
  isTrainerEvent,
  parseServerEvent,
  type ServerEvent,
  type TrainerEvent,
  type Unidentified,
} from '../../shared/events.ts'
import { isTerminal } from '../../shared/run-state.ts'
import type { RetryPolicy, RunSpec } from '../../shared/run-spec.ts'
import type { RunFeed } from '../runs/run-feed.ts'
import { type ProjectedBatch, projectEvents, type RunProjection, withoutLeases } from '../runs/run.projection.ts'
import type { RunStore } from '../runs/run.store.ts'
import { type DamageListener, type LogDamage, verdictOn } from './damaged-log.ts'
import { putUpFences } from './fence.ts'
import {
  type LogCursor,
  type PlacedEvent,
  readReleasesBehind,
  type RunFolder,
  readServerEvents,
  readTrainerEvents,
} from './log-reader.ts'
import { amendServerEvents, appendServerEvent, nameForDamaged } from './run-files.ts'

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
  /** That event, where it was taken over since the log was opened. */
  lastHeard(): TrainerEvent | null
  /** The server's own file was found damaged since the log was opened: it has been amended, and the run has ended. */
  damage(): LogDamage | null
  /**
   * Stores everything the files hold.
   * @throws TrainqlError `RUN_DIRECTORY_INVALID` where they hold what no trainer writes; what came before it is stored.
   */
  takeOver(): Promise<void>
  /**
   * Writes an event of the server's to the disk, behind everything stored so far, and stores it. Where the database
   * declines, the event counts all the same: it is in the file, and is stored before anything else happens to the run.
   * @throws TrainqlError `RUN_DIRECTORY_INVALID` where the file comes to be damaged meanwhile: the run has ended
   */
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

/** What a log needs of the database. */
export interface LogStore extends Pick<RunStore, 'listLogPositions' | 'listReleasedAttempts' | 'apply'> {
  find(id: string): Promise<(RunProjection & { spec: RunSpec }) | null>
}

export interface RunLogDeps {
  store: LogStore
  feed: RunFeed
  now: () => Date
  onDamage?: DamageListener
  /** Every file stays as it is: a damaged one of the server's own is no end of the run, and is thrown. */
  readsOnly?: boolean
}

const serverAttempt = 0
const start: LogCursor = { seq: 0, part: 1, offset: 0 }

/** Opens the log of a run that has a row, at the position its rows were last taken over to. */
export async function openRunLog(deps: RunLogDeps, folder: RunFolder): Promise<RunLog> {
  const { store, feed, now, onDamage, readsOnly = false } = deps
  const { runId, directory } = folder
  let stored = await readStored(store, runId)
  const { retry } = stored
  let lastHeard: TrainerEvent | null = null
  let damage: LogDamage | null = null
  /** Of which nobody has been told yet: its end of the run is in the file, and on its way into the database. */
  let untold: LogDamage | null = null
  /** The server's file may hold events that are not stored. */
  let ownUnstored = true
  /** A batch of which the database has not said that it is stored. */
  let unanswered: ProjectedBatch | null = null
  let turn: Promise<unknown> = Promise.resolve()

  const isReleased = (): boolean => stored.released.has(stored.run.attempt)
  const cursorOf = (attempt: number): LogCursor => stored.positions.get(attempt) ?? start
  const lastSeq = (): number => (stored.run.attempt === 0 ? 0 : cursorOf(stored.run.attempt).seq)

  /** The answer of the database may be all that was lost: asks it what it has. */
  async function settle(): Promise<void> {
    if (unanswered === null) return
    const before = stored.run.lastCursor
    stored = await readStored(store, runId)
    const { run, events } = unanswered
    unanswered = null
    const { lastCursor } = stored.run
    if (lastCursor === run.lastCursor) publish(events)
    // Somebody else's database by now: subscribers must read there.
    else if (lastCursor !== before) feed.forget(runId)
  }

  function publish(events: ProjectedBatch['events']): void {
    const last = events.at(-1)?.event
    if (last !== undefined && isTrainerEvent(last)) lastHeard = last
    feed.publish(runId, { events, ended: isTerminal(stored.run.state) })
  }

  /** Consecutive events of one attempt; what it leases for attempts that are `over` is not held again. */
  async function storeBatch(batch: readonly PlacedEvent[], over: ReadonlySet<number> = new Set()): Promise<void> {
    const last = batch.at(-1)
    if (last === undefined) return
    const projection = projectEvents(
      stored.run,
      batch.map(({ event }) => event),
    )
    const projected = { ...projection, attemptsLeased: withoutLeases(projection.attemptsLeased, over) }
    const { attempt, seq } = last.event
    const cursor = { seq, part: last.part, offset: last.end }
    unanswered = projected
    try {
      await store.apply(runId, projected, [{ attempt, ...cursor }])
    } catch (error) {
      await settle().catch(() => undefined)
      if (stored.run.lastCursor !== projected.run.lastCursor) throw error
      return
    }
    unanswered = null
    stored.run = projected.run
    stored.positions.set(attempt, cursor)
    for (const { number } of projected.attemptsReleased) stored.released.add(number)
    publish(projected.events)
  }

  /** Stores the events of the latest attempt up to a number; an error where its file ends in what is no event before that. */
  async function storeTrainers({ attempt, seq }: ServerEvent['behind']): Promise<TrainqlError | null> {
    while (attempt > 0 && attempt === stored.run.attempt && !isReleased() && cursorOf(attempt).seq < seq) {
      const { events, invalid } = await readTrainerEvents(folder, attempt, cursorOf(attempt))
      const wanted = events.filter(({ event }) => event.seq <= seq)
      await storeBatch(wanted)
      if (invalid !== null || wanted.length === 0) return invalid
    }
    return null
  }

  /**
   * Stores the server's events that are in its file, with what comes before them: they count, so they come first.
   * @returns where the file was found to be damaged, by this call or by one before it that failed; by now the run has ended
   */
  async function storeOwn(): Promise<LogDamage | null> {
    await settle()
    let amended = false
    while (ownUnstored) {
      const { events, invalid } = await readServerEvents(folder, cursorOf(serverAttempt))
      for (const own of events) {
        // Where the trainer's file lacks events that were stored before (a disk that lost writes, or damaged them), the
        // server's own go on without them rather than wait for ever.
        await storeTrainers(own.event.behind)
        // Its devices may be another run's by now.
        const over = own.event.type === 'leased' ? await readReleasesBehind(folder, own) : undefined
        await storeBatch([own], over)
      }
      ownUnstored = events.length > 0 || invalid !== null
      if (invalid === null) continue
      // A disk that damages what is written anew.
      if (amended || readsOnly) throw invalid
      untold = damage = await endAt(invalid)
      amended = true
    }
    const found = untold
    untold = null
    if (found !== null) onDamage?.ended(runId, found)
    return found
  }

  /** The server's file breaks off behind what is stored. In its place comes one that goes on with the end of the run. */
  async function endAt(error: TrainqlError): Promise<LogDamage> {
    await onDamage?.endTrainer(runId, error)
    // It may have written on until it went.
    await storeTrainers({ attempt: stored.run.attempt, seq: Infinity })
    const ending = { error, keptAs: nameForDamaged(directory) }
    const { seq, offset } = cursorOf(serverAttempt)
    const events = verdictOn(stored.run, isReleased(), ending).map((event, index) => identified(event, seq + 1 + index))
    const wholeBytes = await amendServerEvents(directory, { offset, events, keptAs: ending.keptAs })
    stored.positions.set(serverAttempt, { seq, part: 1, offset: wholeBytes })
    await putUpFences(directory, { attempt: stored.run.attempt, seq: lastSeq() })
    return ending
  }

  function identified(event: Unidentified<ServerEvent>, seq: number): ServerEvent {
    const behind = { attempt: stored.run.attempt, seq: lastSeq() }
    return parseServerEvent({ run: runId, attempt: serverAttempt, seq, at: now().toISOString(), behind, ...event })
  }

  async function takeOver(): Promise<void> {
    await storeOwn()
    const invalid = await storeTrainers({ attempt: stored.run.attempt, seq: Infinity })
    if (invalid !== null) throw invalid
  }

  async function append(event: Unidentified<ServerEvent>): Promise<void> {
    await storeUndamaged()
    const { seq, offset } = cursorOf(serverAttempt)
    ownUnstored = true
    await appendServerEvent(directory, identified(event, seq + 1), offset)
    await storeUndamaged()
  }

  /** For whoever acts on a run that has not ended. */
  async function storeUndamaged(): Promise<void> {
    const found = await storeOwn()
    if (found !== null) throw found.error
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
        return stored.run
      },
    }
    const result = turn.then(async () => {
      await storeOwn()
      return action(inside)
    })
    turn = result.catch(() => undefined)
    return result
  }

  return {
    runId,
    directory,
    retry,
    isReleased,
    lastSeq,
    lastHeard: () => (lastHeard?.attempt === stored.run.attempt ? lastHeard : null),
    damage: () => damage,
    get run() {
      return stored.run
    },
    takeOver: () => exclusively((log) => log.takeOver()),
    append: (event) => exclusively((log) => log.append(event)),
    exclusively,
  }
}

interface Stored {
  run: RunProjection
  retry: RetryPolicy
  positions: Map<number, LogCursor>
  /** Attempts whose devices have been given back. */
  released: Set<number>
}

/** What the database has of a run: at one moment, since a commit whose answer was lost may still be under way. */
async function readStored(store: LogStore, runId: string): Promise<Stored> {
  for (;;) {
    const record = await store.find(runId)
    if (record === null) throw new Error(`no row of run ${runId}`)
    const positions = await store.listLogPositions(runId)
    const released = await store.listReleasedAttempts(runId)
    const again = await store.find(runId)
    if (again?.lastCursor !== record.lastCursor) continue
    return {
      run: projectionOf(record),
      retry: record.spec.retry,
      positions: new Map(positions.map(({ attempt, ...cursor }) => [attempt, cursor])),
      released: new Set(released),
    }
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
