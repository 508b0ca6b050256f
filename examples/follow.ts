// Prints the events of a run as JSON lines until it ends; with a cursor, those behind it.
import { createClient } from 'trainql'

const [runId, after] = process.argv.slice(2)
if (runId === undefined) {
  console.error('Use: npx tsx examples/follow.ts RUN [CURSOR]')
  process.exit(2)
}

const interrupted = new AbortController()
process.once('SIGINT', () => {
  interrupted.abort()
})

const client = createClient({ url: process.env['TRAINQL_URL'] ?? 'http://127.0.0.1:4000' })
let cursor = after
try {
  for await (const event of client.runEvents(runId, { after, signal: interrupted.signal })) {
    cursor = event.cursor
    console.log(JSON.stringify(event))
  }
} catch (error) {
  if (!interrupted.signal.aborted) throw error
  console.error(`Continue with: npx tsx examples/follow.ts ${runId} ${cursor ?? ''}`)
} finally {
  await client.close()
}
