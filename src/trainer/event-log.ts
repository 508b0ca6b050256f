// Appends a run's events to `events.<attempt>.jsonl` and the parts behind it: numbered without gaps, whole lines, none
// dropped.
import { closeSync, fsyncSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { eventLine } from '../shared/event-line.ts'
import type { TrainerEvent, Unidentified } from '../shared/events.ts'
import { diskFullOr, isDiskFull, type DiskReserve } from './disk.ts'
import { findNextPart, openLastPart } from './event-log-part.ts'

export interface EventLog {
  /** Numbers and dates the event and queues its line; it is in the file within `flushIntervalMs`. */
  append(event: Unidentified<TrainerEvent>): void
  /** Returns once everything appended is in the file. */
  flush(): void
  /** Returns once everything appended is on the disk. */
  sync(): void
  close(): void
  /** Closes it and drops what is not in the file. */
  abandon(): void
}

export interface EventLogOptions {
  /** The log's first part. */
  file: string
  run: string
  attempt: number
  /** Freed when the disk is full: piece by piece for the log to go on, the rest for the last words. */
  reserve: DiskReserve
  /** A part that has so many goes on in the next. Default: 64 MiB. */
  partBytes?: number
  /** Called before anything is written; once it throws, nothing more is written, and what it threw comes out. */
  beforeWrite?: () => void
}

/** Fast steps share a write; a reader still sees each within this time. Slow steps are written at once. */
const flushIntervalMs = 25

const lastWords: ReadonlySet<TrainerEvent['type']> = new Set(['failed', 'stopped', 'finished'])

export const defaultPartBytes = 64 * 1024 * 1024

/**
 * Opens the log, repairs a torn last line and goes on numbering behind the last whole one.
 * On a full disk it goes on with what the reserve lends. Methods throw TrainqlError `DISK_FULL` when that is used up; after
 * that only an event that ends the run is taken.
 */
export function openEventLog(options: EventLogOptions): EventLog {
  const { file, run, attempt, reserve, partBytes = defaultPartBytes, beforeWrite } = options
  let part = openLastPart({ file, run, attempt })
  let seq = part.lastSeq
  /** Another part is begun before the next event that is written behind so many bytes. */
  let fullBytes = partBytes
  let pending: Buffer[] = []
  let flushedAt = -Infinity
  let timer: NodeJS.Timeout | undefined
  /** Set when nothing could be written; thrown at each later call that is not for the last words. */
  let failure: Error | undefined

  function writePending(): void {
    while (pending.length > 0) {
      const bytes = Buffer.concat(pending)
      const written = writeSync(part.descriptor, bytes)
      part.bytes += written
      part.isWhole = written === bytes.length
      // A full disk may take part of a line: the rest stays queued, so the line is finished before any other.
      pending = part.isWhole ? [] : [bytes.subarray(written)]
    }
    part.lastSeq = seq
    flushedAt = performance.now()
  }

  function turnOver(): void {
    if (pending.length === 0 || part.bytes < fullBytes || !part.isWhole) return
    const next = findNextPart(part)
    // On a full disk it goes on in the part that it has.
    fullBytes = next === null ? part.bytes + partBytes : partBytes
    if (next !== null) part = next
  }

  function writeOnLoan(): void {
    for (;;) {
      try {
        writePending()
        return
      } catch (error) {
        if (!isDiskFull(error) || !reserve.lend()) throw error
      }
    }
  }

  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    try {
      beforeWrite?.()
      turnOver()
      writeOnLoan()
    } catch (error) {
      failure ??= diskFullOr(error, dirname(file))
      if (isDiskFull(error) && reserve.release()) writePending()
      throw failure
    }
  }

  function flushSoon(): void {
    const wait = flushedAt + flushIntervalMs - performance.now()
    if (wait <= 0) {
      flush()
      return
    }
    timer ??= setTimeout(() => {
      try {
        flush()
      } catch {
        // Kept in `failure`: the next append throws it where it can be handled.
      }
    }, wait)
  }

  return {
    append(event) {
      const isLast = lastWords.has(event.type)
      if (failure !== undefined && !isLast) throw failure
      seq += 1
      const line: TrainerEvent = { run, attempt, seq, at: new Date().toISOString(), ...event }
      pending.push(Buffer.from(eventLine(line)))
      if (isLast) flush()
      else flushSoon()
    },
    flush,
    sync() {
      flush()
      fsyncSync(part.descriptor)
      reserve.restore()
    },
    close() {
      try {
        flush()
      } finally {
        closeSync(part.descriptor)
      }
    },
    abandon() {
      clearTimeout(timer)
      pending = []
      closeSync(part.descriptor)
    },
  }
}
