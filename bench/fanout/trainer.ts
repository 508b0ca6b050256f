// A trainer process that logs steps at a given rate instead of training: its attempt, event log, heartbeat and exit record
// are the real ones. When each event was appended goes to a table beside the log, by the machine's monotonic clock.
//
// Waits for `go.json` in the run directory: {eventsPerSecond, events}.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { eventsFile, exitFile } from '../../src/shared/run-directory.ts'
import { noReserve, writeFileAtomically } from '../../src/trainer/disk.ts'
import { type EventLog, openEventLog } from '../../src/trainer/event-log.ts'
import { startHeartbeat } from '../../src/trainer/heartbeat.ts'
import { takeAttempt } from '../../src/trainer/ownership.ts'
import { createProgress } from '../../src/trainer/progress.ts'
import { type Pace, parsePace, stampsFile } from './pace.ts'

const [directory = '', number = ''] = process.argv.slice(2)
const attempt = Number(number)
takeAttempt(directory, attempt)

const run = basename(directory)
const progress = createProgress()
const events = openEventLog({ file: eventsFile(directory, attempt), run, attempt, reserve: noReserve })
const stopHeartbeat = await startHeartbeat({ directory, run, attempt, progress, onFenced: () => process.exit() })

function leave(code: number, signal?: string): never {
  events.sync()
  events.close()
  const record = { code, at: new Date().toISOString(), ...(signal === undefined ? {} : { signal }) }
  writeFileAtomically(exitFile(directory, attempt), JSON.stringify(record))
  process.exit(code)
}

process.on('SIGTERM', () => {
  events.append({ type: 'stopped', step: progress.step, lastCheckpoint: null })
  leave(143, 'SIGTERM')
})

const patienceMs = 600_000

async function waitForPace(): Promise<Pace> {
  const file = join(directory, 'go.json')
  for (const begun = performance.now(); performance.now() - begun < patienceMs;) {
    if (existsSync(file)) return parsePace(JSON.parse(readFileSync(file, 'utf8')))
    // The bench is over, however it went.
    if (!existsSync(directory)) process.exit(0)
    await pause(20)
  }
  leave(143, 'SIGTERM')
}

/** Appends at even distances from one start, so that a late timer makes one event late and not all behind it. */
async function logSteps(
  log: EventLog,
  { eventsPerSecond, events: total }: { eventsPerSecond: number; events: number },
) {
  const stamps = new BigInt64Array(total + 1)
  const begun = performance.now()
  for (let step = 1; step <= total; step += 1) {
    const wait = begun + (step * 1000) / eventsPerSecond - performance.now()
    if (wait > 0) await pause(wait)
    progress.advance(1, step)
    stamps[step] = process.hrtime.bigint()
    const rates = { learningRate: 0.1, imagesPerSecond: 128 * eventsPerSecond }
    log.append({ type: 'step', epoch: 1, step, loss: 2.302585092994046 / step, nonFinite: false, ...rates })
  }
  return stamps
}

events.append({
  type: 'started',
  engine: 'none',
  engineDetail: 'logs steps and computes nothing',
  devices: ['cpu:0'],
  shards: 4,
  globalBatch: 128,
  epochs: 1,
  stepsPerEpoch: 1,
  parameters: 1,
  trainImages: 128,
  validationImages: 128,
  skippedImages: 0,
  precision: 'FP32',
  accumulationSteps: 1,
  syncBatchNorm: false,
  memoryBytes: null,
  classNames: [],
  channels: 1,
  pid: process.pid,
})
const pace = await waitForPace()
const stamps = await logSteps(events, pace)
writeFileSync(stampsFile(directory), new Uint8Array(stamps.buffer))
events.append({ type: 'finished', epochs: 1, step: pace.events, wallSeconds: pace.events / pace.eventsPerSecond })
await stopHeartbeat()
leave(0)
