// Turns a subscription's callbacks into an async iterator whose `return()` ends the subscription at once, even while
// a `next()` is waiting (an async generator alone would only see it after the next value).
import type { GraphqlRequest } from './http.ts'
import type { Socket } from './socket.ts'

/** An iterator that can be left early with `break`, `return()` or `await using`. */
export interface EventStream<T> extends AsyncIterableIterator<T, undefined, undefined> {
  return(): Promise<IteratorReturnResult<undefined>>
  [Symbol.asyncIterator](): EventStream<T>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Values of one subscription on one socket, until the server completes it.
 * @throws what the socket reports, after the values that came before; the signal's reason once it is aborted
 */
export async function* subscribeOnce<T>(
  socket: Socket,
  request: GraphqlRequest,
  signal: AbortSignal,
): AsyncGenerator<T, undefined> {
  const received: T[] = []
  let end: { error?: Error } | undefined
  let wake = (): void => undefined
  const unsubscribe = socket.subscribe(request, {
    next: (data) => {
      received.push(data as T)
      wake()
    },
    complete: () => {
      end = {}
      wake()
    },
    error: (error) => {
      end = { error }
      wake()
    },
  })
  const aborted = (): void => wake()
  signal.addEventListener('abort', aborted)
  try {
    for (;;) {
      signal.throwIfAborted()
      const value = received.shift()
      if (value !== undefined) yield value
      else if (end === undefined) await new Promise<void>((resolve) => (wake = resolve))
      else if (end.error !== undefined) throw end.error
      else return undefined
    }
  } finally {
    signal.removeEventListener('abort', aborted)
    unsubscribe()
  }
}

/**
 * Wraps a generator that honours `signal`, so that `return()` aborts it first and a waiting `next()` ends with
 * `done`. When an outer signal is aborted, `next()` rejects with its reason.
 */
export function eventStream<T>(
  generate: (signal: AbortSignal) => AsyncGenerator<T, undefined>,
  outer: readonly (AbortSignal | undefined)[],
): EventStream<T> {
  const returned = new AbortController()
  const signals = outer.filter((signal) => signal !== undefined)
  const generator = generate(AbortSignal.any([returned.signal, ...signals]))
  const done = { done: true, value: undefined } as const
  const stream: EventStream<T> = {
    async next() {
      if (returned.signal.aborted) return done
      try {
        return await generator.next()
      } catch (error) {
        if (error === returned.signal.reason) return done
        throw error
      }
    },
    async return() {
      returned.abort()
      await generator.return(undefined).catch((error: unknown) => {
        if (error !== returned.signal.reason) throw error
      })
      return done
    },
    async throw(error: unknown) {
      await stream.return()
      throw error
    },
    [Symbol.asyncIterator]: () => stream,
    async [Symbol.asyncDispose]() {
      await stream.return()
    },
  }
  return stream
}
