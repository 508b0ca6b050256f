// Turns POSIX signals into what the training loop looks at between steps.
import type { Control } from './loop.ts'

/**
 * SIGTERM and SIGINT: take a checkpoint and leave; more of them change nothing. SIGUSR2: take a checkpoint now.
 * (SIGUSR1 is Node's inspector.)
 */
export function listenToSignals(say: (line: string) => void): Control {
  const stop = new AbortController()
  let checkpointRequested = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) return
      say(`${signal}: leaving after this step`)
      stop.abort(signal)
    })
  }
  process.on('SIGUSR2', () => {
    checkpointRequested = true
  })
  return {
    stop: stop.signal,
    takeCheckpointRequest() {
      const requested = checkpointRequested
      checkpointRequested = false
      return requested
    },
  }
}
