// For how long nothing was heard of a trainer. Pure but for the clock it is given, which nobody can set.

export interface Silence {
  /** What the heartbeat's file holds now; null: there is none. */
  look(text: string | null): Look
  /** There was another sign of life. */
  heard(): void
}

export interface Look {
  /** It is another heartbeat than the one seen before. */
  moved: boolean
  silentMs: number
  /** Since this began there was a sign of life, or the trainer had given one before. */
  everHeard: boolean
}

export interface SilenceOptions {
  /** Milliseconds of a monotonic clock. */
  monotonicMs: () => number
  /** As much as may lie between two looks. A server that was itself stopped, or busy, has not listened any longer. */
  longestGapMs: number
}

/**
 * Only whether a heartbeat changes counts, and how long this server has listened: neither what a heartbeat says of the
 * time nor this machine's own clock has to be right.
 */
export function createSilence({ monotonicMs, longestGapMs }: SilenceOptions): Silence {
  let last: string | null | undefined
  let lookedAt = monotonicMs()
  let silentMs = 0
  let everHeard = false

  return {
    look(text) {
      const at = monotonicMs()
      silentMs += Math.min(at - lookedAt, longestGapMs)
      lookedAt = at
      const moved = last !== undefined && text !== null && text !== last
      if (moved) silentMs = 0
      if (text !== null) everHeard = true
      last = text ?? last ?? null
      return { moved, silentMs, everHeard }
    },
    heard() {
      lookedAt = monotonicMs()
      silentMs = 0
      everHeard = true
    },
  }
}
