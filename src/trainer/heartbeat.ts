// Renews `heartbeat.<n>.json` from a thread of its own, so that a step that computes on the main thread for a
// minute does not look like a dead process.
import { Worker } from 'node:worker_threads'
import { heartbeatFile } from '../shared/run-directory.ts'
import type { Progress } from './progress.ts'

export interface HeartbeatOptions {
  directory: string
  run: string
  attempt: number
  progress: Progress
}

export interface HeartbeatThread {
  file: string
  run: string
  attempt: number
  pid: number
  progress: Progress['shared']
}

/** Resolves after the first beat is in the file; the returned function stops the beats. */
export async function startHeartbeat({
  directory,
  run,
  attempt,
  progress,
}: HeartbeatOptions): Promise<() => Promise<void>> {
  const workerData: HeartbeatThread = {
    file: heartbeatFile(directory, attempt),
    run,
    attempt,
    pid: process.pid,
    progress: progress.shared,
  }
  const thread = openThread(workerData)
  await new Promise<void>((resolve, reject) => {
    thread.once('message', () => {
      resolve()
    })
    thread.once('error', reject)
  })
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
