// Keeps the embedded database running in its worker thread and hands out connections to it. A thread that ends is started
// anew, and finds what was committed.
import { startWorker } from '../../shared/entry.ts'
import { TrainqlError } from '../../shared/errors.ts'
import type { Log } from '../log.ts'
import { compilePglite } from './pglite-program.ts'
import { PgliteSocket } from './pglite-socket.ts'
import type { FromPglite, PgliteWorkerData, ToPglite } from './pglite-worker.ts'

export interface Pglite {
  /** A new connection; there is one session, so that connections must follow one another. */
  connect(): PgliteSocket
  close(): Promise<void>
}

export const defaultOpenSeconds = 120
/** Whoever waits wants to know by then what for. */
const noticeSeconds = 5

export interface PgliteOptions {
  log: Log
  /** A thread that has not opened the database by then is ended; one that is waited for is told of before. */
  openSeconds?: number | undefined
  /** Entry of the thread; another one only to test what becomes of its failures. */
  entry?: URL
}

/**
 * Opens the database in this folder, making it where it is absent. The caller holds the folder's lock.
 * @throws TrainqlError `DATABASE_UNAVAILABLE` where it does not open, or not in time
 */
export async function startPglite(folder: string, options: PgliteOptions): Promise<Pglite> {
  const { log } = options
  const program = await compilePglite()
  let current = startThread({ folder, program }, options)
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
    current = startThread({ folder, program }, options)
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
    throw notOpened(folder, error as Error)
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

const workerEntry = new URL('./pglite-worker.ts', import.meta.url)

class OpenedTooLate extends Error {}

function startThread(data: PgliteWorkerData, options: PgliteOptions): Thread {
  const { log, openSeconds = defaultOpenSeconds, entry = workerEntry } = options
  const worker = startWorker(entry, data)
  const waiting: Waiting[] = []
  let failure: Error | null = null

  const fail = (error: Error): Error => {
    failure ??= error
    for (const { reject } of waiting.splice(0)) reject(failure)
    return failure
  }
  const end = (error: Error): void => {
    fail(error)
    void worker.terminate()
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
    end(message.error)
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
  const notice = afterSeconds(Math.min(noticeSeconds, openSeconds / 2), (seconds) =>
    log.info(
      `The embedded database in ${data.folder} is not open after ${seconds} s; it is given up after ${openSeconds} s.`,
    ),
  )
  const limit = afterSeconds(openSeconds, () => end(new OpenedTooLate(`it did not open within ${openSeconds} s`)))
  const settled = (): void => {
    clearTimeout(notice)
    clearTimeout(limit)
  }
  // Whoever uses it meets its failure.
  thread.ready.then(settled, settled)
  return thread
}

function afterSeconds(seconds: number, action: (seconds: number) => void): NodeJS.Timeout {
  return setTimeout(action, seconds * 1000, seconds)
}

function notOpened(folder: string, cause: Error): TrainqlError {
  const first =
    cause instanceof OpenedTooLate
      ? 'Set TRAINQL_DATABASE_OPEN_SECONDS higher where the machine is slow.'
      : 'Look whether the folder can be written and its disk has room.'
  return new TrainqlError(
    {
      code: 'DATABASE_UNAVAILABLE',
      message: `Expected the embedded database in ${folder} to open; got: ${cause.message}.`,
      fix: `${first} A database that is damaged is made anew from the run directories: move ${folder} away and start again.`,
    },
    { cause },
  )
}
