// The thread behind `heartbeat.ts`: writes the heartbeat about once a second until it is ended, or the attempt is over.
import { closeSync, ftruncateSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { beatIntervalMs, heartbeatFile } from '../shared/run-directory.ts'
import { createBeats } from './beats.ts'
import { isDisowned } from './fence.ts'
import type { HeartbeatThread, HeartbeatWord } from './heartbeat.ts'
import type { WatchedReplicas } from './progress.ts'

const { directory, run, attempt, pid, progress } = workerData as HeartbeatThread
const file = heartbeatFile(directory, attempt)
const beats = createBeats({ run, attempt, pid, progress, now: () => new Date() })
const tell = (word: HeartbeatWord): void => parentPort?.postMessage(word)

function beat(): void {
  if (isDisowned(directory, attempt)) {
    clearInterval(timer)
    tell('fenced')
    return
  }
  const bytes = Buffer.from(`${JSON.stringify(beats.next())}\n`)
  try {
    writeFileSync(`${file}.tmp`, bytes)
    renameSync(`${file}.tmp`, file)
  } catch {
    // A full disk must neither end the run from here (the event log finds it too, and says so) nor silence it.
    writeInPlace(bytes)
  }
}

/** Into the blocks that the file has. A reader may find half of it, and looks again. */
function writeInPlace(bytes: Buffer): void {
  try {
    rmSync(`${file}.tmp`, { force: true })
    const descriptor = openSync(file, 'r+')
    try {
      ftruncateSync(descriptor, writeSync(descriptor, bytes, 0, bytes.length, 0))
    } finally {
      closeSync(descriptor)
    }
  } catch {
    // The folder is gone, or nothing at all can be written: the next beat tries again.
  }
}

parentPort?.on('message', (replicas: WatchedReplicas) => beats.watch(replicas))
const timer = setInterval(beat, beatIntervalMs)
beat()
tell('beating')
