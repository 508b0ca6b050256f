// Appends a run's events to `events.<attempt>.jsonl`: numbered without gaps, whole lines, none dropped.
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { eventLine } from '../shared/event-line.ts'
import { parseTrainerEvent, type TrainerEvent, type Unidentified } from '../shared/events.ts'
import { diskFullOr, isDiskFull, type DiskReserve } from './disk.ts'

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
  file: string
  run: string
  attempt: number
  /** Freed when the disk is full: piece by piece for the log to go on, the rest for the last words. */
  reserve: DiskReserve
  /** Called before each `sync`; what it throws comes out of it, and nothing is written. */
  beforeSync?: () => void
}

/** Fast steps share a write; a reader still sees each within this time. Slow steps are written at once. */
const flushIntervalMs = 25

const lastWords: ReadonlySet<TrainerEvent['type']> = new Set(['failed', 'stopped', 'finished'])

/**
 * Opens the log, repairs a torn last line and goes on numbering behind the last whole one.
 * On a full disk it goes on with what the reserve lends. Methods throw TrainqlError `DISK_FULL` when that is used up; after
 * that only an event that ends the run is taken.
 */
export function openEventLog({ file, run, attempt, reserve, beforeSync }: EventLogOptions): EventLog {
  const descriptor = openSync(file, 'a+')
  let seq = repair(file, descriptor)
  let pending: Buffer[] = []
  let flushedAt = -Infinity
  let timer: NodeJS.Timeout | undefined
  /** Set when the disk was found full; thrown at each later call that is not for the last words. */
  let failure: Error | undefined

  function writePending(): void {
    while (pending.length > 0) {
      const bytes = Buffer.concat(pending)
      const written = writeSync(descriptor, bytes)
      // A full disk may take part of a line: the rest stays queued, so the line is finished before any other.
      pending = written < bytes.length ? [bytes.subarray(written)] : []
    }
    flushedAt = performance.now()
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
      beforeSync?.()
      flush()
      fsyncSync(descriptor)
      reserve.restore()
    },
    close() {
      try {
        flush()
      } finally {
        closeSync(descriptor)
      }
    },
    abandon() {
      clearTimeout(timer)
      pending = []
      closeSync(descriptor)
    },
  }
}

/** Cuts off a last line that was not finished; returns the last number in use, 0 in an empty file. */
function repair(file: string, descriptor: number): number {
  const bytes = readFileSync(file)
  const end = bytes.lastIndexOf(0x0a) + 1
  if (end < bytes.length) ftruncateSync(descriptor, end)
  if (end === 0) return 0
  const start = bytes.lastIndexOf(0x0a, end - 2) + 1
  return parseTrainerEvent(JSON.parse(bytes.toString('utf8', start, end))).seq
}
