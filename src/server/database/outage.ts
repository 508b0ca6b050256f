// The database is away: what its users meet then, and how those who can wait do.

/** How long a client may best wait before it asks again. */
export const retryAfterMs = 1_000

/**
 * The database did not answer: its connection broke, or there is none. Whether what was being written was stored is not
 * known. Without a `code` of its own: Prisma takes errors with one for its own, and wraps them.
 */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'

  constructor(options?: ErrorOptions) {
    super(
      'The database is away for the moment; runs train on, and the server goes on by itself when it is back.',
      options,
    )
  }
}

const firstWaitMs = 50
const longestWaitMs = 1_000

/** Waits from call to call twice as long, up to a second; returns at once on abort. */
export function growingPauses(signal?: AbortSignal): () => Promise<void> {
  let waitMs = firstWaitMs
  return async () => {
    await pause(waitMs, signal)
    waitMs = Math.min(2 * waitMs, longestWaitMs)
  }
}

/**
 * Does something until the database is there for it, at growing intervals; so it must be fit to be done again. Any other
 * error is thrown on.
 * @throws the signal's reason, where it is aborted meanwhile
 */
export async function outlast<T>(action: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const rest = growingPauses(signal)
  for (;;) {
    try {
      return await action()
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error
    }
    await rest()
    signal?.throwIfAborted()
  }
}

/** Returns at once on abort. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms).unref()
    if (signal?.aborted === true) end()
    else signal?.addEventListener('abort', end)
  })
}
