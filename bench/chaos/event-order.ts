// What a run's files say its events are, in their one order: read and merged here a second time, apart from the server's
// own reader, so that the two can be compared.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseServerEvent, parseTrainerEvent, type RunEvent, type TrainerEvent } from '../../src/shared/events.ts'
import { findLineDamage } from '../../src/shared/event-line.ts'
import { hasLinkType, parsePartLink } from '../../src/shared/log-part.ts'
import { eventsFile, findEventsFileParts } from '../../src/shared/run-directory.ts'

const serverEventsFile = (directory: string): string => join(directory, 'events.server.jsonl')

/** The whole lines of a log; what stands behind the last newline is none. */
function wholeLines(file: string): string[] {
  return readFileSync(file, 'utf8').split('\n').slice(0, -1)
}

export interface OrderedEvents {
  /** Those that count, as a subscriber is to see them. */
  events: RunEvent[]
  /** Trainer events that a server event says it came behind, and that no file holds. */
  missing: number
}

/** Nobody may be writing them. */
export function readOrderedEvents(directory: string): OrderedEvents {
  const trainerEvents = new Map<number, TrainerEvent[]>()
  const eventsOf = (attempt: number): TrainerEvent[] => {
    const known = trainerEvents.get(attempt)
    if (known !== undefined) return known
    const records = listParts(directory, attempt)
      .flatMap(wholeLines)
      .map((line): unknown => JSON.parse(line))
    const read = records.filter(isEvent).map(parseTrainerEvent)
    trainerEvents.set(attempt, read)
    return read
  }
  const events: RunEvent[] = []
  const taken = new Map<number, number>()
  let missing = 0
  /** The attempt whose events still count; 0: none. */
  let open = 0
  for (const line of wholeLines(serverEventsFile(directory))) {
    const own = parseServerEvent(JSON.parse(line))
    const { attempt, seq } = own.behind
    const from = taken.get(attempt) ?? 0
    if (attempt > 0 && seq > from) {
      const passed = eventsOf(attempt).filter((event) => event.seq > from && event.seq <= seq)
      events.push(...passed)
      missing += seq - from - passed.length
      taken.set(attempt, seq)
    }
    events.push(own)
    if (own.type === 'leased') open = own.toAttempt
    if (own.type === 'released') open = 0
  }
  // Of a run that has not ended: what its trainer wrote since.
  if (open > 0) events.push(...eventsOf(open).filter(({ seq }) => seq > (taken.get(open) ?? 0)))
  return { events, missing }
}

/** Lines that are not what was written, by their checksums. */
export function listDamagedLines(directory: string): string[] {
  return [serverEventsFile(directory), ...listParts(directory)].flatMap((file) =>
    wholeLines(file).flatMap((line, index) =>
      findLineDamage(Buffer.from(line)) === null ? [] : [`${file}:${index + 1}`],
    ),
  )
}

/**
 * The files of an attempt's log that hold something, the last of them the one that is written to: a successor that no part
 * names is nobody's, and its trainer may remove it.
 */
export function listWrittenParts(directory: string, attempt: number): string[] {
  const parts = listParts(directory, attempt)
  const open = parts.findIndex((file) => !isSealed(file))
  return open === -1 ? parts : parts.slice(0, open + 1)
}

function isSealed(file: string): boolean {
  const last = wholeLines(file).at(-1)
  if (last === undefined) return false
  const record: unknown = JSON.parse(last)
  return hasLinkType(record) && parsePartLink(record).type === 'partSealed'
}

/** Of all attempts. */
export function countParts(directory: string): number {
  return listParts(directory).length
}

/** The files of an attempt's log in their order, or those of every attempt. */
function listParts(directory: string, attempt?: number): string[] {
  return readdirSync(directory)
    .flatMap((name) => findEventsFileParts(name) ?? [])
    .filter((found) => attempt === undefined || found.attempt === attempt)
    .sort((a, b) => a.attempt - b.attempt || a.part - b.part)
    .map((found) => eventsFile(directory, found.attempt, found.part))
}

/** Lines without a number link the parts of a log. */
function isEvent(record: unknown): boolean {
  return typeof record === 'object' && record !== null && 'seq' in record
}

/** What a log held at some time: whole lines, which stay what they are. */
export interface LogMark {
  file: string
  bytes: number
  sha256: string
}

export function markLog(file: string): LogMark {
  const content = readFileSync(file)
  const bytes = content.lastIndexOf(0x0a) + 1
  return { file, bytes, sha256: hash(content.subarray(0, bytes)) }
}

/** Whether the log still begins with what it held then. */
export function holdsMark({ file, bytes, sha256 }: LogMark): boolean {
  return hash(readFileSync(file).subarray(0, bytes)) === sha256
}

function hash(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
