// The thread behind `heartbeat.ts`: writes the heartbeat about once a second until it is ended.
import { renameSync, writeFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { Heartbeat } from '../shared/run-directory.ts'
import type { HeartbeatThread } from './heartbeat.ts'

const intervalMs = 1000
const { file, run, attempt, pid, progress } = workerData as HeartbeatThread

function beat(): void {
  const heartbeat: Heartbeat = {
    run,
    attempt,
    pid,
    at: new Date().toISOString(),
    epoch: Number(Atomics.load(progress, 0)),
    step: Number(Atomics.load(progress, 1)),
    progressAt: new Date(Number(Atomics.load(progress, 2))).toISOString(),
  }
  try {
    writeFileSync(`${file}.tmp`, `${JSON.stringify(heartbeat)}\n`)
    renameSync(`${file}.tmp`, file)
  } catch {
    // A full disk must not end the run from here: the event log finds it too, and says so.
  }
}

beat()
setInterval(beat, intervalMs)
parentPort?.postMessage('beating')
