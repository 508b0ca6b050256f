// The parts of an event log on the disk: opens the last one, and another behind one that is full, so that a crash between
// any two of its steps leaves a log that reads as before.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import { eventLine } from '../shared/event-line.ts'
import { parseTrainerEvent } from '../shared/events.ts'
import { hasLinkType, parsePartLink, type PartLink } from '../shared/log-part.ts'
import { eventsFile } from '../shared/run-directory.ts'
import { isDiskFull } from './disk.ts'

export interface LogOf {
  /** The log's first part. */
  file: string
  run: string
  attempt: number
}

export interface LogPart extends LogOf {
  /** From 1. */
  part: number
  descriptor: number
  bytes: number
  /** The last event in the log; 0 where it is empty. */
  lastSeq: number
  /** Whether its last line is. */
  isWhole: boolean
}

/** Opens the part that is written to, or the first, and cuts a last line off that was not finished. */
export function openLastPart(log: LogOf): LogPart {
  for (let part = 1; ; part += 1) {
    const isNew = !existsSync(fileOf(log, part))
    const descriptor = openSync(fileOf(log, part), 'a+')
    if (isNew) syncFolder(log)
    const { bytes, lastSeq, isSealed } = repair(fileOf(log, part), descriptor)
    if (!isSealed) return { ...log, part, descriptor, bytes, lastSeq, isWhole: true }
    closeSync(descriptor)
  }
}

/**
 * Seals a part whose last line is whole and opens the next; null where the disk is too full for that. The next is on the disk
 * before the line that names it, and that line before any event of the next: so a part that is named is there, and one that
 * is not named holds nothing.
 */
export function findNextPart(current: LogPart): LogPart | null {
  const { file, run, attempt, lastSeq } = current
  const part = current.part + 1
  const nextFile = fileOf(current, part)
  const identity = { run, attempt, lastSeq }
  const opened: PartLink = { ...identity, type: 'partOpened', part, previous: basename(fileOf(current, current.part)) }
  const sealed: PartLink = { ...identity, type: 'partSealed', part: current.part, next: basename(nextFile) }
  // What a crash left of one that was never named is written anew.
  const descriptor = openSync(nextFile, 'w')
  try {
    const bytes = writeLine(descriptor, eventLine(opened))
    fsyncSync(descriptor)
    syncFolder(current)
    writeLine(current.descriptor, eventLine(sealed))
    fsyncSync(current.descriptor)
    closeSync(current.descriptor)
    return { file, run, attempt, part, descriptor, bytes, lastSeq, isWhole: true }
  } catch (error) {
    ftruncateSync(current.descriptor, current.bytes)
    closeSync(descriptor)
    rmSync(nextFile)
    if (isDiskFull(error)) return null
    throw error
  }
}

const fileOf = ({ file, attempt }: LogOf, part: number): string => eventsFile(dirname(file), attempt, part)

/** Returns its bytes. */
function writeLine(descriptor: number, line: string): number {
  const bytes = Buffer.from(line)
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
  return bytes.length
}

/** Makes the names of the parts durable. */
function syncFolder({ file }: LogOf): void {
  const folder = openSync(dirname(file), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** Cuts off a last line that was not finished, and says what the last whole one tells. */
function repair(file: string, descriptor: number): { bytes: number; lastSeq: number; isSealed: boolean } {
  const bytes = fstatSync(descriptor).size === 0 ? Buffer.alloc(0) : readFileSync(file)
  const end = bytes.lastIndexOf(0x0a) + 1
  if (end < bytes.length) ftruncateSync(descriptor, end)
  if (end === 0) return { bytes: 0, lastSeq: 0, isSealed: false }
  const start = bytes.lastIndexOf(0x0a, end - 2) + 1
  const record: unknown = JSON.parse(bytes.toString('utf8', start, end))
  if (!hasLinkType(record)) return { bytes: end, lastSeq: parseTrainerEvent(record).seq, isSealed: false }
  const { lastSeq, type } = parsePartLink(record)
  return { bytes: end, lastSeq, isSealed: type === 'partSealed' }
}
