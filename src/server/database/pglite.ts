// Starts the embedded database in its worker thread and hands out connections to it.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startWorker } from '../../shared/entry.ts'
import { PgliteSocket } from './pglite-socket.ts'
import type { FromPglite, PgliteWorkerData, ToPglite } from './pglite-worker.ts'

export interface Pglite {
  /** A new connection; there is one session, so that connections must follow one another. */
  connect(): PgliteSocket
  close(): Promise<void>
}

interface Waiting {
  resolve: (message: FromPglite) => void
  reject: (error: Error) => void
}

/** Opens the database in this folder, making it where it is absent. The caller holds the folder's lock. */
export async function startPglite(folder: string): Promise<Pglite> {
  const data: PgliteWorkerData = { folder, template: templateFile() }
  const worker = startWorker(new URL('./pglite-worker.ts', import.meta.url), data)
  const waiting: Waiting[] = []
  let ended: Error | null = null

  const end = (error: Error): void => {
    ended ??= error
    for (const { reject } of waiting.splice(0)) reject(ended)
  }
  worker.on('error', end)
  worker.on('exit', (code) => end(new Error(`the embedded database's thread ended with code ${code}`)))
  worker.on('message', (message: FromPglite) => {
    const next = waiting.shift()
    if (message.type === 'failed') next?.reject(message.error)
    else next?.resolve(message)
  })
  const answer = (): Promise<FromPglite> =>
    new Promise((resolve, reject) => {
      if (ended === null) waiting.push({ resolve, reject })
      else reject(ended)
    })
  const request = (message: ToPglite): Promise<FromPglite> => {
    const answered = answer()
    worker.postMessage(message)
    return answered
  }

  await answer()
  const requests = {
    open: async () => {
      await request({ type: 'open' })
    },
    exchange: async (bytes: Uint8Array) => {
      const message = await request({ type: 'bytes', bytes })
      return message.type === 'bytes' ? message.bytes : new Uint8Array()
    },
  }
  return {
    connect: () => new PgliteSocket(requests),
    async close() {
      if (ended === null) await request({ type: 'close' })
      await worker.terminate()
    },
  }
}

/** Beside the built code, by version: a dump fits the PGlite that wrote it. */
function templateFile(): string {
  const manifest = new URL('../package.json', import.meta.resolve('@electric-sql/pglite'))
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  return fileURLToPath(new URL(`../../../dist/pglite-template-${version}.tar.gz`, import.meta.url))
}
