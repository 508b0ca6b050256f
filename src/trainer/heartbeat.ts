// Renews `heartbeat.<n>.json` from a thread of its own, so that a step that computes on the main thread for a
// minute does not look like a dead process.
import { Worker } from 'node:worker_threads'
import type { Progress } from './progress.ts'

export interface HeartbeatOptions {
  directory: string
  run: string
  attempt: number
  progress: Progress
  /** The attempt was found to be over; no more beats come. */
  onFenced: () => void
}

export interface HeartbeatThread {
  directory: string
  run: string
  attempt: number
  pid: number
  progress: Progress['shared']
}

/** What the thread says: that the first beat is in the file, that there will be no more. */
export type HeartbeatWord = 'beating' | 'fenced'

/** Resolves after the first beat is in the file; the returned function stops the beats. */
export async function startHeartbeat(options: HeartbeatOptions): Promise<() => Promise<void>> {
  const { directory, run, attempt, progress, onFenced } = options
  const workerData: HeartbeatThread = { directory, run, attempt, pid: process.pid, progress: progress.shared }
  const thread = openThread(workerData)
  await new Promise<void>((resolve, reject) => {
    thread.on('message', (word: HeartbeatWord) => {
      if (word === 'fenced') onFenced()
      else resolve()
    })
    thread.once('error', reject)
  })
  void progress.replicas.then((replicas) => thread.postMessage(replicas))
  thread.unref()
  return async () => {
    await thread.terminate()
  }
}

function openThread(workerData: HeartbeatThread): Worker {
  if (import.meta.url.endsWith('.js'))
    return new Worker(new URL('heartbeat-thread.js', import.meta.url), { workerData })
  // From source: a loader given on the command line does not reach into threads.
  const source = JSON.stringify(new URL('heartbeat-thread.ts', import.meta.url).href)
  const loader = JSON.stringify(import.meta.resolve('tsx/esm/api'))
  const start = `import(${loader}).then(({ tsImport }) => tsImport(${source}, ${source}))`
  return new Worker(start, { eval: true, workerData })
}
