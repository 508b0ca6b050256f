// Reads the events of a run's files from a position on: each parsed and held to be the next one, and placed, so that whoever
// stores it can say up to where it has read.
import { existsSync } from 'node:fs'
import { TrainqlError } from '../../shared/errors.ts'
import { findLineDamage, hasChecksum } from '../../shared/event-line.ts'
import {
  parseServerEvent,
  parseTrainerEvent,
  type RunEvent,
  type ServerEvent,
  type TrainerEvent,
} from '../../shared/events.ts'
import { hasLinkType, isPartLink, type PartLink, parsePartLink } from '../../shared/log-part.ts'
import { eventsFile } from '../../shared/run-directory.ts'
import { countTornBytes, type EventLine, type EventLines, readEventLines } from './event-lines.ts'
import { invalidFile } from './invalid-directory.ts'
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

/** The most that is read at a time, and so goes into one transaction: some 2,400 steps where a run is far behind. */
const batchBytes = 512 * 1024

const serverAttempt = 0

const trainersFix = 'Start the run again; look into its log.txt for what wrote this line, and for faults of its disk.'
const serversFix = 'Resume the run: it goes on from its latest checkpoint. Look for faults of the disk that holds it.'

/** The next events of an attempt, from whatever part has them. */
export async function readTrainerEvents(
  { runId, directory }: RunFolder,
  attempt: number,
  from: LogCursor,
): Promise<Reading<TrainerEvent>> {
  for (let { part, offset } = from; ; part += 1, offset = 0) {
    const file = eventsFile(directory, attempt, part)
    const source = { file, runId, attempt, part, parse: parseTrainerEvent, fix: trainersFix }
    const lines = await readEventLines(file, offset, batchBytes)
    const { isSealed, ...reading } = readPart(source, lines, { seq: from.seq, offset })
    if (reading.invalid !== null || reading.events.length > 0) return reading
    const next = eventsFile(directory, attempt, part + 1)
    const missing = isSealed ? !existsSync(next) && next : existsSync(next) && !existsSync(file) && file
    if (missing !== false) {
      const invalid = invalidFile(missing, 'expected this part of the log; found none.', trainersFix)
      return { events: [], invalid }
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
  if (lines.isShort) {
    const what = `expected the ${from.offset} bytes that were taken over; found fewer.`
    return { events: [], invalid: invalidFile(file, what, serversFix) }
  }
  const source = { file, runId, attempt: serverAttempt, part: 1, parse: parseServerEvent, fix: serversFix }
  return readPart(source, lines, from)
}

/** Attempts that the server's own file has released behind one of its events, as far as it can be read. */
export async function readReleasesBehind(folder: RunFolder, { event, end }: PlacedEvent): Promise<Set<number>> {
  const released = new Set<number>()
  for (let from: LogCursor = { seq: event.seq, part: 1, offset: end }; ;) {
    const { events } = await readServerEvents(folder, from)
    const last = events.at(-1)
    if (last === undefined) return released
    for (const { event: own } of events) if (own.type === 'released') released.add(own.toAttempt)
    from = { seq: last.event.seq, part: 1, offset: last.end }
  }
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
  /** What to do where it holds what is none of its events. */
  fix: string
}

interface PartReading<E extends RunEvent> extends Reading<E> {
  /** Behind these events it goes on in the next part. */
  isSealed: boolean
}

function readPart<E extends RunEvent>(
  source: LogFile<E>,
  { lines, rest, before }: EventLines,
  { seq, offset }: Omit<LogCursor, 'part'>,
): PartReading<E> {
  const events: PlacedEvent<E>[] = []
  let last = seq
  let isChecked = hasChecksum(before)
  const end = (invalid: TrainqlError | null, isSealed = false): PartReading<E> => ({ events, invalid, isSealed })
  for (const [index, line] of lines.entries()) {
    const damage = findDamage(line, isChecked)
    if (damage !== null) return end(invalid(source, damage))
    isChecked ||= hasChecksum(line.bytes)
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
  const newlineDamage = findNewlineDamage(rest, lines.at(-1)?.end ?? offset)
  return end(newlineDamage === null ? null : invalid(source, newlineDamage))
}

/** @param isChecked a line before it has a checksum: then its writer gives every line one */
function findDamage({ bytes, end }: EventLine, isChecked: boolean): string | null {
  const place = `the line at byte ${end - 1 - bytes.length}`
  const damage = findLineDamage(bytes)
  if (damage !== null) return `expected ${place} to have the checksum ${damage.expected}; found ${damage.found}.`
  if (!isChecked || hasChecksum(bytes)) return null
  return `expected ${place} to have a checksum, as those before it have; found ${excerpt(bytes)}.`
}

/** A line is written with its newline, so a byte behind a whole line was one: a crash leaves no other. */
function findNewlineDamage(rest: Buffer, start: number): string | null {
  const line = rest.subarray(0, -1)
  if (!hasChecksum(line) || findLineDamage(line) !== null) return null
  return `expected a newline at byte ${start + line.length}; found byte value ${rest.at(-1) ?? 0}.`
}

const excerpt = (bytes: Buffer): string => JSON.stringify(bytes.toString().slice(0, 80))

function parseLine<E extends RunEvent>({ bytes, end }: EventLine, source: LogFile<E>): E | PartLink | TrainqlError {
  const { parse, runId, attempt } = source
  let record: E | PartLink
  try {
    const object: unknown = JSON.parse(bytes.toString())
    record = hasLinkType(object) ? parsePartLink(object) : parse(object)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const place = `the line at byte ${end - 1 - bytes.length}`
    return invalid(source, `expected an event in ${place}; found ${excerpt(bytes)} (${why}).`)
  }
  if (record.run !== runId) {
    return invalid(source, `expected an event of run ${runId}; found one of run ${record.run}.`)
  }
  if (record.attempt !== attempt) {
    return invalid(source, `expected events of attempt ${attempt}; found one of ${record.attempt}.`)
  }
  return record
}

function invalid({ file, fix }: Pick<LogFile<RunEvent>, 'file' | 'fix'>, what: string): TrainqlError {
  return invalidFile(file, what, fix)
}
