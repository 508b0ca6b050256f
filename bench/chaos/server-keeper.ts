// Keeps the server of a storm running and sees to it that it answers: one that ends by itself, does not come to listen or
// does not answer has failed, and what there is to know of it is kept.
import { orWhenLate, pause } from './pause.ts'
import type { StormServer } from './server.ts'

export interface ServerKeeper {
  start(): void
  /** Resolves once the server listens; starts it again where it ended by itself. */
  listening(): Promise<void>
  /** Whether it has come to listen since it was last started. */
  isListening(): boolean
  /** SIGKILL, and another start at once. */
  replace(): Promise<void>
  /** An orderly end; its exit code. */
  stop(): Promise<number | null>
  /** What it did unasked: ended, or fell silent. In words. */
  failures(): readonly string[]
  close(): Promise<void>
}

/** Far more than a start takes on a machine that has other things to do. */
const startWithinMs = 60_000
/** How often it is asked whether it is there, and how long it may take to say so. */
const askEveryMs = 1_000
const answerWithinMs = 20_000

export function keepServer(server: StormServer, note: (line: string) => void): ServerKeeper {
  const closing = new AbortController()
  const failures: string[] = []
  let listening: Promise<boolean> = Promise.resolve(false)
  let isListening = false

  function start(): void {
    isListening = false
    const { listening: started } = server.start()
    const pid = server.pid()
    listening = started
    void started.then((is) => {
      isListening ||= is && server.pid() === pid
    })
  }

  async function replace(): Promise<void> {
    await server.kill()
    start()
  }

  function tell(words: string): void {
    failures.push(words)
    note(`  ! ${words}`)
  }

  const tellEnd = (): void => tell(`the server ended by itself: ${server.lastWords()}`)

  async function tellSilence(what: string): Promise<void> {
    tell(`the server ${what}; see ${await server.diagnose()}`)
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      const pid = server.pid()
      if (pid !== null && isListening && !(await answers(server.url, closing.signal))) {
        // Killed or ended meanwhile, it need not answer.
        if (server.pid() === pid) {
          await tellSilence(`did not answer within ${answerWithinMs / 1000} s`)
          if (server.pid() === pid) await replace()
        }
      }
      await pause(askEveryMs, closing.signal)
    }
  }
  const watching = watch()

  return {
    start,
    async listening() {
      for (;;) {
        const attempt = listening
        const came = await orWhenLate(startWithinMs, attempt, null)
        // Somebody started it anew meanwhile.
        if (attempt !== listening) continue
        if (came === true) return
        if (came === false) tellEnd()
        else await tellSilence(`did not come to listen within ${startWithinMs / 1000} s`)
        await replace()
      }
    },
    isListening: () => isListening && server.pid() !== null,
    async replace() {
      if (server.pid() === null) tellEnd()
      await replace()
    },
    async stop() {
      if (server.pid() === null) tellEnd()
      isListening = false
      return server.stop()
    },
    failures: () => failures,
    async close() {
      closing.abort()
      await watching
    },
  }
}

/** Whether it says that it is well in time, or is not there to be asked. */
async function answers(url: string, closing: AbortSignal): Promise<boolean> {
  const late = AbortSignal.timeout(answerWithinMs)
  try {
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"query":"{ devices { nodes { state } } }"}',
      signal: AbortSignal.any([late, closing]),
    })
    await response.text()
    return true
  } catch {
    return !late.aborted
  }
}
