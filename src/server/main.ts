// The server's process entry: settings from the environment, a clean end on SIGTERM and SIGINT.
import { isTrainqlError } from '../shared/errors.ts'
import { readConfig } from './config.ts'
import { type RunningServer, startServer } from './start.ts'

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
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // Once: a second signal ends the process at once.
    process.once(signal, () => {
      process.stderr.write(`${signal}: stopping\n`)
      server.close().then(
        () => process.exit(0),
        (error: unknown) => {
          process.stderr.write(`${String(error)}\n`)
          process.exit(1)
        },
      )
    })
  }
}
