// Worker-thread entry: owns the embedded PostgreSQL (PGlite), so that a long query stalls no subscriber. Speaks the
// PostgreSQL wire protocol in messages: bytes in, bytes out.
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { wholeMarker } from './database-template.ts'
import type { PgliteProgram } from './pglite-program.ts'

export interface PgliteWorkerData {
  /** Absolute folder of the database; made where it is absent. */
  folder: string
  program: PgliteProgram
}

/** To the worker. Bytes are whole protocol messages. `open` begins a session: nothing of an earlier one stays. */
export type ToPglite = { type: 'bytes'; bytes: Uint8Array } | { type: 'open' } | { type: 'close' }
/** From the worker. Each `open` and each `bytes` gets one answer, in order. */
export type FromPglite =
  | { type: 'ready' }
  | { type: 'opened' }
  | { type: 'bytes'; bytes: Uint8Array }
  | { type: 'failed'; error: Error }
  | { type: 'closed' }

/** The write-ahead log is trimmed only at checkpoints; the defaults would let it grow to a gigabyte. */
const startParams = [...PGlite.defaultStartParams, '-c', 'max_wal_size=64MB', '-c', 'min_wal_size=32MB']

const port = parentPort
if (port === null) throw new Error('pglite-worker is the entry of a worker thread')
const { folder, program } = workerData as PgliteWorkerData

function send(message: FromPglite): void {
  port?.postMessage(message)
}

const marker = join(folder, wholeMarker)

/**
 * PostgreSQL's own lock. It refuses to start where it finds one without a process id in it, as a server leaves that is killed
 * just when it makes it. Nobody but us uses the folder: whoever opens it holds the data directory's lock.
 */
const processFile = join(folder, 'postmaster.pid')

async function openDatabase(): Promise<PGlite> {
  if (existsSync(marker)) {
    await rm(processFile, { force: true })
    return PGlite.create({ dataDir: folder, startParams, pgliteWasmModule: program })
  }
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const database = await PGlite.create({ dataDir: folder, startParams, pgliteWasmModule: program })
  await writeFile(marker, '')
  return database
}

/** Streamed, since `execProtocolRaw` also parses every answer, and keeps what it parsed for good. */
async function exchange(database: PGlite, bytes: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  // What comes is memory of the database's own.
  await database.execProtocolRawStream(bytes, { onRawData: (data) => parts.push(data.slice()) })
  return Buffer.concat(parts)
}

async function serve(database: PGlite, message: ToPglite): Promise<FromPglite> {
  switch (message.type) {
    case 'open':
      if (database.isInTransaction()) await database.exec('ROLLBACK')
      await database.exec('DISCARD ALL')
      return { type: 'opened' }
    case 'bytes':
      return { type: 'bytes', bytes: await exchange(database, message.bytes) }
    case 'close':
      await database.close()
      return { type: 'closed' }
    default:
      return message satisfies never
  }
}

try {
  const database = await openDatabase()
  let turn = Promise.resolve()
  port.on('message', (message: ToPglite) => {
    turn = turn.then(async () => {
      try {
        send(await serve(database, message))
      } catch (error) {
        send({ type: 'failed', error: asError(error) })
      }
      if (message.type === 'close') port.close()
    })
  })
  send({ type: 'ready' })
} catch (error) {
  send({ type: 'failed', error: asError(error) })
  port.close()
}

/** The backend ends by throwing an exit status, which is no error object. */
function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(`the embedded database ended: ${JSON.stringify(error)}`)
}
