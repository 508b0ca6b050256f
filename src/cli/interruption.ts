// Ctrl-C, and what a service manager or a closing terminal sends: the first asks to stop, the second to stop by force.

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  /** As shells count: 128 + the signal's number. */
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`Stopped by ${signal}.`)
    this.exitCode = 128 + { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 }[signal]
  }
}

export interface Interruption {
  /** Aborted by the first signal, with an `Interrupted` as its reason. */
  readonly asked: AbortSignal
  /** Aborted by the second. */
  readonly forced: AbortSignal
  dispose(): void
}

/** One Ctrl-C can arrive twice, from the terminal and from a package runner that passes it on. */
const echoMs = 250

export function watchInterruption(): Interruption {
  const asked = new AbortController()
  const forced = new AbortController()
  let askedAt = 0
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const listeners = signals.map((signal) => {
    const listener = (): void => {
      if (!asked.signal.aborted) {
        askedAt = performance.now()
        asked.abort(new Interrupted(signal))
      } else if (performance.now() - askedAt > echoMs) forced.abort(new Interrupted(signal))
    }
    process.on(signal, listener)
    return () => process.off(signal, listener)
  })
  return { asked: asked.signal, forced: forced.signal, dispose: () => listeners.forEach((remove) => remove()) }
}

/** Resolves when the signal is aborted, never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
