// Goes through a pickle's bytes from front to back, a window at a time, and never past their end.
import { invalidFile } from '../file-bytes.ts'

export interface PickleCursor {
  /** Names the file in errors. */
  readonly what: string
  /** Bytes gone through so far. */
  position(): number
  byte(): number
  /** The next bytes, as a view that stays as it is. */
  take(count: number): Buffer
  /** Up to the next line feed, without it. */
  line(): Buffer
}

export interface PickleBytes {
  what: string
  /** How many there are. */
  bytes: number
  /** Fills `target` with what begins at `position`. */
  readSync: (target: Uint8Array, position: number) => void
}

const windowBytes = 64 * 1024
/** Names, numbers and strings of protocol 0 are lines. */
const longestLine = 1024 * 1024
const lineFeed = 0x0a

/** @param start where to begin, and `position` to count from. */
export function createCursor({ what, bytes, readSync }: PickleBytes, start = 0): PickleCursor {
  let window = Buffer.alloc(0)
  let windowStart = start
  let at = 0

  /** A new window, so that views of earlier ones stay: from here on, with at least `count` bytes where there are. */
  const refill = (count: number) => {
    const rest = window.subarray(at)
    const from = windowStart + at
    const next = Buffer.allocUnsafeSlow(Math.min(Math.max(count, windowBytes), bytes - from))
    rest.copy(next)
    readSync(next.subarray(rest.length), from + rest.length)
    window = next
    windowStart = from
    at = 0
  }
  const ended = () => invalidFile(what, 'the rest of a pickle', `its end at byte ${bytes}`)

  return {
    what,
    position: () => windowStart + at,
    byte() {
      if (at === window.length) {
        if (windowStart + at >= bytes) throw ended()
        refill(1)
      }
      const value = window[at] as number
      at += 1
      return value
    },
    take(count) {
      if (count > window.length - at) {
        if (count > bytes - windowStart - at) throw ended()
        refill(count)
      }
      const taken = window.subarray(at, at + count)
      at += count
      return taken
    },
    line() {
      let end = window.indexOf(lineFeed, at)
      while (end < 0) {
        const known = window.length - at
        if (known > longestLine)
          throw invalidFile(what, `lines of at most ${longestLine} bytes in a pickle`, 'a longer one')
        if (windowStart + window.length >= bytes) throw ended()
        refill(2 * known)
        end = window.indexOf(lineFeed, known)
      }
      const taken = window.subarray(at, end)
      at = end + 1
      return taken
    },
  }
}
