// The server's process entry: settings from the environment, a clean end on SIGTERM, SIGINT and with who started it.
import { isTrainqlError } from '../shared/errors.ts'
import { closeOnSignal } from './close-on-signal.ts'
import { readConfig } from './config.ts'
import { startServer } from './start.ts'

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
