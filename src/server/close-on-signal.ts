// A clean end of the server's process: on SIGTERM, on SIGINT, and with the program that started it for itself.
import { inspect } from 'node:util'
import type { RunningServer } from './start.ts'

/** The first signal closes the server, a second one ends the process at once; what that leaves undone the next start does. */
export function closeOnSignal(server: RunningServer): void {
  const signals = ['SIGTERM', 'SIGINT'] as const
  const close = (why: string): void => {
    process.stderr.write(`${why}: stopping\n`)
    // The system's own answer to either signal is an end at once.
    for (const signal of signals) process.removeAllListeners(signal)
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${inspect(error)}\n`)
        process.exit(1)
      },
    )
  }
  for (const signal of signals) process.once(signal, () => close(signal))
  // A program that started this server for itself holds a channel to it; when it is gone, so is the need for us.
  const gone = 'The program that started this server is gone'
  if (process.send === undefined) return
  if (process.connected) process.once('disconnect', () => close(gone))
  // It went while we started.
  else close(gone)
}
