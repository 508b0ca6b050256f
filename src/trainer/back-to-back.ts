// Calls to an engine one behind the other: the next one is made before the last has ended, so that the engine does not stand
// still while its answer comes here and the next question goes there.

/** The turn between two calls is nothing to one that takes longer, and whoever stops a row should not wait for two of those. */
const longestSecondsAhead = 1

export interface BackToBack<T> {
  /** Whether a call may be made before the last has ended; else they are made one after the other. */
  ahead: boolean
  /** Makes call `index`, from 0. */
  ask: (index: number) => Promise<T>
  /** Whether call `index` is to be followed by another one; asked while it may still be under way. */
  follows: (index: number) => boolean
}

export interface Answer<T> {
  answer: T
  /** Since the call was made or, if that is later, since the one before it ended. */
  seconds: number
}

/**
 * Answers in order, at most one call more being under way than the one that is waited for. Whoever leaves early, and whom an
 * error leaves, finds none under way: what the last one comes to is then nobody's.
 */
export async function* backToBack<T>({ ahead, ask, follows }: BackToBack<T>): AsyncGenerator<Answer<T>, void> {
  let last: { seconds: number; endedAt: number } | null = null
  let next: Promise<Timed<T>> | null = null
  try {
    for (let index = 0; ; index += 1) {
      const current: Promise<Timed<T>> = next ?? timed(ask(index))
      const goesAhead: boolean = ahead && last !== null && last.seconds < longestSecondsAhead && follows(index)
      next = goesAhead ? timed(ask(index + 1)) : null
      const { answer, askedAt, endedAt }: Timed<T> = await current
      const seconds: number = Math.max(endedAt - Math.max(askedAt, last?.endedAt ?? 0), 1e-3) / 1000
      last = { seconds, endedAt }
      yield { answer, seconds }
      if (next === null && !follows(index)) return
    }
  } finally {
    await next?.catch(() => undefined)
  }
}

interface Timed<T> {
  answer: T
  askedAt: number
  endedAt: number
}

function timed<T>(call: Promise<T>): Promise<Timed<T>> {
  const askedAt = performance.now()
  const ended = call.then((answer) => ({ answer, askedAt, endedAt: performance.now() }))
  // It may fail while the one before it is waited for; whoever waits for it is told.
  ended.catch(() => undefined)
  return ended
}
