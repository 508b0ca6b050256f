// Keeps the embedded database running in its worker thread and hands out connections to it. A thread that ends is started
// anew, and finds what was committed.
import { startWorker } from '../../shared/entry.ts'
import type { Log } from '../log.ts'
import { PgliteSocket } from './pglite-socket.ts'
import type { FromPglite, PgliteWorkerData, ToPglite } from './pglite-worker.ts'

export interface Pglite {
  /** A new connection; there is one session, so that connections must follow one another. */
  connect(): PgliteSocket
  close(): Promise<void>
}

/** Opens the database in this folder, making it where it is absent. The caller holds the folder's lock. */
export async function startPglite(folder: string, log: Log): Promise<Pglite> {
  let current = startThread(folder)
  let restarting: Promise<Thread> | null = null
  let closing = false

  function watch(thread: Thread, wasReady: boolean): void {
    void thread.ended.then((error) => {
      if (closing) return
      log.warn(`The embedded database ended (${error.message})${wasReady ? ' and is started anew' : ''}.`)
      // One that does not come up is tried again by the next who asks.
      if (wasReady) running().catch(() => undefined)
    })
  }

  function running(): Promise<Thread> {
    if (!current.hasFailed()) return current.ready
    restarting ??= restart().finally(() => {
      restarting = null
    })
    return restarting
  }

  async function restart(): Promise<Thread> {
    // Two threads on one folder would destroy it.
    await current.ended
    if (closing) throw new Error('the embedded database is being closed')
    current = startThread(folder)
    const started = current
    try {
      await started.ready
    } catch (error) {
      watch(started, false)
      throw error
    }
    watch(started, true)
    return started
  }

  try {
    await current.ready
  } catch (error) {
    await current.stop()
    throw error
  }
  watch(current, true)
  return {
    connect() {
      let thread: Thread | undefined
      return new PgliteSocket({
        async open() {
          thread = await running()
          await thread.request({ type: 'open' })
        },
        async exchange(bytes) {
          if (thread === undefined) throw new Error('the connection was not opened')
          const message = await thread.request({ type: 'bytes', bytes })
          return message.type === 'bytes' ? message.bytes : new Uint8Array()
        },
      })
    },
    async close() {
      closing = true
      await restarting?.catch(() => undefined)
      if (!current.hasFailed()) await current.request({ type: 'close' })
      await current.stop()
    },
  }
}

interface Waiting {
  resolve: (message: FromPglite) => void
  reject: (error: Error) => void
}

/** One life of the database. */
interface Thread {
  /** Itself, once it answers. */
  ready: Promise<Thread>
  /** Resolves once it is gone, with the reason. */
  ended: Promise<Error>
  hasFailed(): boolean
  request(message: ToPglite): Promise<FromPglite>
  stop(): Promise<void>
}

function startThread(folder: string): Thread {
  const data: PgliteWorkerData = { folder }
  const worker = startWorker(new URL('./pglite-worker.ts', import.meta.url), data)
  const waiting: Waiting[] = []
  let failure: Error | null = null

  const fail = (error: Error): Error => {
    failure ??= error
    for (const { reject } of waiting.splice(0)) reject(failure)
    return failure
  }
  worker.on('error', fail)
  const ended = new Promise<Error>((resolve) => {
    worker.on('exit', (code) => resolve(fail(new Error(`the embedded database's thread ended with code ${code}`))))
  })
  worker.on('message', (message: FromPglite) => {
    if (message.type !== 'failed') {
      waiting.shift()?.resolve(message)
      return
    }
    // PostgreSQL answers what is wrong with a statement; this is its end.
    fail(message.error)
    void worker.terminate()
  })
  const answer = (): Promise<FromPglite> =>
    new Promise((resolve, reject) => {
      if (failure === null) waiting.push({ resolve, reject })
      else reject(failure)
    })
  const thread: Thread = {
    ready: answer().then(() => thread),
    ended,
    hasFailed: () => failure !== null,
    request(message) {
      const answered = answer()
      worker.postMessage(message)
      return answered
    },
    async stop() {
      await worker.terminate()
    },
  }
  // Whoever uses it meets it.
  thread.ready.catch(() => undefined)
  return thread
}
