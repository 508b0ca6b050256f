// Reads the events of a run's files from a position on: each parsed and held to be the next one, and placed, so that whoever
// stores it can say up to where it has read.
import { existsSync } from 'node:fs'
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
import { hasLinkType, isPartLink, type PartLink, parsePartLink } from '../../shared/log-part.ts'
import { eventsFile } from '../../shared/run-directory.ts'
import { countTornBytes, type EventLine, readEventLines } from './event-lines.ts'
import { serverEventsFile } from './run-files.ts'

/** Up to where a log has been read: its last event, and the byte behind that one's newline in the part that holds it. */
export interface LogCursor {
  seq: number
  part: number
  offset: number
}

export interface PlacedEvent<E extends RunEvent = RunEvent> {
  event: E
  /** Of the log, from 1. */
  part: number
  /** Bytes of that part up to and with the line's newline. */
  end: number
}

/** What is read of a log, in order. */
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

/** The next events of an attempt, from whatever part has them. */
export async function readTrainerEvents(
  { runId, directory }: RunFolder,
  attempt: number,
  from: LogCursor,
): Promise<Reading<TrainerEvent>> {
  for (let { part, offset } = from; ; part += 1, offset = 0) {
    const file = eventsFile(directory, attempt, part)
    const source = { file, runId, attempt, part, parse: parseTrainerEvent }
    const lines = await readEventLines(file, offset, batchBytes)
    const { isSealed, ...reading } = readPart(source, lines, { seq: from.seq, offset })
    if (reading.invalid !== null || reading.events.length > 0) return reading
    const next = eventsFile(directory, attempt, part + 1)
    const missing = isSealed ? !existsSync(next) && next : existsSync(next) && !existsSync(file) && file
    if (missing !== false) {
      return { events: [], invalid: invalid({ file: missing }, 'expected this part of the log; found none.') }
    }
    if (!isSealed) return reading
  }
}

/** The server's next own events. */
export async function readServerEvents(
  { runId, directory }: RunFolder,
  from: LogCursor,
): Promise<Reading<ServerEvent>> {
  const file = serverEventsFile(directory)
  const lines = await readEventLines(file, from.offset, batchBytes)
  return readPart({ file, runId, attempt: serverAttempt, part: 1, parse: parseServerEvent }, lines, from)
}

/** What the parts of an attempt's log hold of lines that are not whole. */
export async function countTornBytesOf(directory: string, attempt: number): Promise<number> {
  let bytes = 0
  for (let part = 1; existsSync(eventsFile(directory, attempt, part)); part += 1) {
    bytes += await countTornBytes(eventsFile(directory, attempt, part))
  }
  return bytes
}

interface LogFile<E extends RunEvent> {
  file: string
  runId: string
  attempt: number
  part: number
  /** @throws TrainqlError `INVALID_INPUT` */
  parse: (input: unknown) => E
}

interface PartReading<E extends RunEvent> extends Reading<E> {
  /** Behind these events it goes on in the next part. */
  isSealed: boolean
}

function readPart<E extends RunEvent>(
  source: LogFile<E>,
  lines: readonly EventLine[],
  { seq, offset }: Omit<LogCursor, 'part'>,
): PartReading<E> {
  const events: PlacedEvent<E>[] = []
  let last = seq
  const end = (invalid: TrainqlError | null, isSealed = false): PartReading<E> => ({ events, invalid, isSealed })
  for (const [index, line] of lines.entries()) {
    const record = parseLine(line, source)
    if (record instanceof TrainqlError) return end(record)
    const isFirst = source.part > 1 && offset === 0 && index === 0
    if (isFirst !== (record.type === 'partOpened')) {
      const expected = isFirst ? 'the link to the part before' : 'an event'
      return end(invalid(source, `expected ${expected}; found ${record.type}.`))
    }
    if (isPartLink(record)) {
      const { part, lastSeq, type } = record
      if (part !== source.part || lastSeq !== last) {
        const expected = `expected ${type} of part ${source.part} behind event ${last}`
        return end(invalid(source, `${expected}; found it of part ${part} behind event ${lastSeq}.`))
      }
      if (type === 'partSealed') return end(null, true)
      continue
    }
    if (record.seq !== last + 1) return end(invalid(source, `expected event ${last + 1}; found event ${record.seq}.`))
    last = record.seq
    events.push({ event: record, part: source.part, end: line.end })
  }
  return end(null)
}

function parseLine<E extends RunEvent>({ bytes, end }: EventLine, source: LogFile<E>): E | PartLink | TrainqlError {
  const { parse, runId, attempt } = source
  const damage = findLineDamage(bytes)
  if (damage !== null) {
    const { expected, found } = damage
    const place = `the line at byte ${end - 1 - bytes.length}`
    return invalid(source, `expected ${place} to have the checksum ${expected}; found ${found}.`)
  }
  let record: E | PartLink
  try {
    const object: unknown = JSON.parse(bytes.toString())
    record = hasLinkType(object) ? parsePartLink(object) : parse(object)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const found = JSON.stringify(bytes.toString().slice(0, 80))
    return invalid(source, `expected an event in the line that ends at byte ${end}; found ${found} (${why}).`)
  }
  if (record.run !== runId) {
    return invalid(source, `expected an event of run ${runId}; found one of run ${record.run}.`)
  }
  if (record.attempt !== attempt) {
    return invalid(source, `expected events of attempt ${attempt}; found one of ${record.attempt}.`)
  }
  return record
}

function invalid({ file }: { file: string }, what: string): TrainqlError {
  const fix = 'Start the run again; look into its log.txt for what wrote this line, and for faults of its disk.'
  return new TrainqlError({ code: 'RUN_DIRECTORY_INVALID', message: `${basename(file)}: ${what}`, fix })
}
