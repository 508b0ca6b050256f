// The server whose fan-out is measured: the real one, with a trainer that logs steps and computes nothing.
//
// Arguments: data directory, number of devices. Answers any request with the memory it holds after a collection.
import { createInterface } from 'node:readline'
import { readConfig } from '../../src/server/config.ts'
import { startServer } from '../../src/server/start.ts'

const [home = '', devices = '1'] = process.argv.slice(2)
const complain = (line: string, error?: unknown) =>
  void process.stderr.write(`${line} ${error instanceof Error ? error.message : ''}\n`)
const server = await startServer({
  ...readConfig({ TRAINQL_HOME: home, TRAINQL_PORT: '0', TRAINQL_CPU_DEVICES: devices }),
  trainersOnExit: 'CANCEL',
  trainerEntry: new URL('../fanout/trainer.ts', import.meta.url),
  log: { debug: () => undefined, info: () => undefined, warn: complain, error: complain },
})
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
for await (const _ of createInterface({ input: process.stdin })) {
  global.gc?.()
  const { rss, heapUsed, external } = process.memoryUsage()
  process.stdout.write(`${JSON.stringify({ residentBytes: rss, heapBytes: heapUsed + external })}\n`)
}
await server.close()
process.exit(0)
