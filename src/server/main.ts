// The server's process entry: settings from the environment, a clean end on SIGTERM, SIGINT and with who started it.
import { inspect } from 'node:util'
import { isTrainqlError } from '../shared/errors.ts'
import { readConfig } from './config.ts'
import { type RunningServer, startServer } from './start.ts'

// Whoever read this may be gone; that is no reason to end.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

try {
  const server = await startServer(readConfig(process.env))
  process.stdout.write(`TrainQL listens at ${server.url}/graphql, playground at ${server.url}/playground\n`)
  closeOnSignal(server)
} catch (error) {
  if (!isTrainqlError(error)) throw error
  process.stderr.write(`${error.message}\n${error.fix}\n`)
  process.exitCode = 1
}

function closeOnSignal(server: RunningServer): void {
  const close = (why: string): void => {
    process.stderr.write(`${why}: stopping\n`)
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${inspect(error)}\n`)
        process.exit(1)
      },
    )
  }
  // Once: a second signal ends the process at once.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => close(signal))
  // A program that started this server for itself holds a channel to it; when it is gone, so is the need for us.
  const gone = 'The program that started this server is gone'
  if (process.send === undefined) return
  if (process.connected) process.once('disconnect', () => close(gone))
  // It went while we started.
  else close(gone)
}
