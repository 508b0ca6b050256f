// Reads the events of a run's files from a position on: each parsed and held to be the next one, and placed, so that whoever
// stores it can say up to where it has read.
import { basename } from 'node:path'
import { TrainqlError } from '../../shared/errors.ts'
import { findLineDamage } from '../../shared/event-line.ts'
import {
  parseServerEvent,
  parseTrainerEvent,
  type RunEvent,
  type ServerEvent,
  type TrainerEvent,
} from '../../shared/events.ts'
import { eventsFile } from '../../shared/run-directory.ts'
import { type EventLine, readEventLines } from './event-lines.ts'
import { serverEventsFile } from './run-files.ts'

/** Up to where a file has been read: its last event, and the byte behind that one's newline. */
export interface LogCursor {
  seq: number
  offset: number
}

export interface PlacedEvent<E extends RunEvent = RunEvent> {
  event: E
  /** Bytes up to and with its line's newline. */
  end: number
}

/** What is read of one file, in order. */
export interface Reading<E extends RunEvent> {
  events: PlacedEvent<E>[]
  /** What the line behind these events holds is no event, or not the next one. */
  invalid: TrainqlError | null
}

export interface RunFolder {
  runId: string
  directory: string
}

/** The most that is read at a time. */
const batchBytes = 256 * 1024

const serverAttempt = 0

/** The next events of an attempt. */
export function readTrainerEvents(
  { runId, directory }: RunFolder,
  attempt: number,
  from: LogCursor,
): Promise<Reading<TrainerEvent>> {
  const file = eventsFile(directory, attempt)
  return readEvents({ file, runId, attempt, parse: parseTrainerEvent }, from)
}

/** The server's next own events. */
export function readServerEvents({ runId, directory }: RunFolder, from: LogCursor): Promise<Reading<ServerEvent>> {
  const file = serverEventsFile(directory)
  return readEvents({ file, runId, attempt: serverAttempt, parse: parseServerEvent }, from)
}

interface EventFile<E extends RunEvent> {
  file: string
  runId: string
  attempt: number
  /** @throws TrainqlError `INVALID_INPUT` */
  parse: (input: unknown) => E
}

async function readEvents<E extends RunEvent>(source: EventFile<E>, { seq, offset }: LogCursor): Promise<Reading<E>> {
  const events: PlacedEvent<E>[] = []
  let last = seq
  for (const line of await readEventLines(source.file, offset, batchBytes)) {
    const event = parseEvent(line, source)
    if (event instanceof TrainqlError) return { events, invalid: event }
    if (event.seq !== last + 1) {
      return { events, invalid: invalid(source, `expected event ${last + 1}; found event ${event.seq}.`) }
    }
    last = event.seq
    events.push({ event, end: line.end })
  }
  return { events, invalid: null }
}

function parseEvent<E extends RunEvent>({ bytes, end }: EventLine, source: EventFile<E>): E | TrainqlError {
  const { parse, runId, attempt } = source
  const damage = findLineDamage(bytes)
  if (damage !== null) {
    const { expected, found } = damage
    const place = `the line at byte ${end - 1 - bytes.length}`
    return invalid(source, `expected ${place} to have the checksum ${expected}; found ${found}.`)
  }
  let event: E
  try {
    event = parse(JSON.parse(bytes.toString()))
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const found = JSON.stringify(bytes.toString().slice(0, 80))
    return invalid(source, `expected an event in the line that ends at byte ${end}; found ${found} (${why}).`)
  }
  if (event.run !== runId) {
    return invalid(source, `expected an event of run ${runId}; found one of run ${event.run}.`)
  }
  if (event.attempt !== attempt) {
    return invalid(source, `expected events of attempt ${attempt}; found one of ${event.attempt}.`)
  }
  return event
}

function invalid({ file }: { file: string }, what: string): TrainqlError {
  const fix = 'Start the run again; look into its log.txt for what wrote this line, and for faults of its disk.'
  return new TrainqlError({ code: 'RUN_DIRECTORY_INVALID', message: `${basename(file)}: ${what}`, fix })
}
