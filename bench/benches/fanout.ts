// `fanout`: how long an event takes from the trainer's append to the SDK's callback, with one run and with twenty, and
// what two thousand subscribers of one run cost.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { createClient } from '../../src/sdk/index.ts'
import { BenchError, rowsOrReason, type Bench, type BenchOptions, type MeasuredRow, type Row } from '../bench.ts'
import { type Delivery, deliverySchema } from '../fanout/delivery.ts'
import { letGo, type Pace } from '../fanout/pace.ts'
import { warnOfLoad, watchLoad } from '../load.ts'
import { allowedCores, peakMemoryBytes, processSeconds } from '../machine.ts'
import { startWorker, withWorkers } from '../worker.ts'

interface Scene {
  runs: number
  /** Of each run. */
  subscribers: number
  pace: Pace
}

const oneRun: Scene = { runs: 1, subscribers: 1, pace: { eventsPerSecond: 50, events: 1_000 } }
const twentyRuns: Scene = { runs: 20, subscribers: 1, pace: { eventsPerSecond: 50, events: 1_000 } }
const crowd: Scene = { runs: 1, subscribers: 2_000, pace: { eventsPerSecond: 10, events: 600 } }

const rowNames = ['p99Ms-1run', 'p99Ms-20runs', 'subscribers', 'lostEvents']

export const fanout: Bench = {
  name: 'fanout',
  description: 'from the trainer’s append to the SDK’s callback, and 2,000 subscribers of one run',
  rowNames,
  run,
}

interface Measurement extends Delivery {
  subscribers: number
  foreignLoad: number
  serverCores: number
  serverPeakBytes: number
  heapBytesPerSubscriber: number
  residentBytesPerSubscriber: number
}

async function* run({ rows, note }: BenchOptions): AsyncGenerator<Row> {
  const done: Measurement[] = []
  for (const [name, scene, bar] of [
    ['p99Ms-1run', oneRun, 50],
    ['p99Ms-20runs', twentyRuns, 250],
  ] as const) {
    if (!rows.includes(name)) continue
    yield* await rowsOrReason([name], async () => {
      const measured = await measure(scene, note)
      done.push(measured)
      return [{ ...rowOf(name, scene, measured), unit: 'ms', value: measured.p99Ms, bar }]
    })
  }
  if (rows.includes('subscribers')) {
    yield* await rowsOrReason(['subscribers'], async () => {
      const measured = await measure(crowd, note)
      done.push(measured)
      const value = measured.subscribers
      return [{ ...rowOf('subscribers', crowd, measured), unit: 'subscribers', value, bar: crowd.subscribers }]
    })
  }
  if (rows.includes('lostEvents')) yield lostEvents(done)
}

/** Over the rows of the same command. */
function lostEvents(done: readonly Measurement[]): Row {
  if (done.length === 0) return { name: 'lostEvents', status: 'skipped', reason: 'no other row was measured' }
  const sum = (key: 'delivered' | 'lost' | 'doubled' | 'disordered'): number =>
    done.reduce((total, measured) => total + measured[key], 0)
  const value = sum('lost')
  const detail = { delivered: sum('delivered'), doubled: sum('doubled'), disordered: sum('disordered') }
  return { name: 'lostEvents', status: 'measured', unit: 'events', ...noPeer, value, bar: 0, detail }
}

const noPeer = { ours: null, peer: null, ratio: null }

function rowOf(
  name: string,
  { runs, pace }: Scene,
  measured: Measurement,
): Omit<MeasuredRow, 'unit' | 'value' | 'bar'> {
  return { name, status: 'measured', ...noPeer, detail: { runs, ...pace, ...measured } }
}

async function measure({ runs, subscribers, pace }: Scene, note: (line: string) => void): Promise<Measurement> {
  const home = await mkdtemp(join(tmpdir(), 'trainql-bench-'))
  try {
    return await withWorkers(async (open) => {
      const server = await open(startServer(home, runs))
      const clients = await open(startSubscribers())
      const { url } = server.ready
      const created = await createRuns(url, runs)
      const before = await server.ask({}, memorySchema)
      const asked = { subscribe: { url, runIds: created.map(({ id }) => id), each: subscribers } }
      const { subscribers: connected } = await clients.ask(asked, z.object({ subscribers: z.number() }))
      const idle = await server.ask({}, memorySchema)
      note(`  ${connected} subscribers of ${runs} runs; ${pace.events} events at ${pace.eventsPerSecond}/s each`)

      const loadMeanwhile = watchLoad([server, clients], allowedCores())
      const begun = { at: performance.now(), seconds: processSeconds(server.pid) }
      const directories = created.map(({ directory }) => directory)
      for (const directory of directories) letGo(directory, pace)
      const delivery = await clients.ask({ finish: { directories } }, deliverySchema)
      const wall = (performance.now() - begun.at) / 1000
      return {
        ...delivery,
        subscribers: connected,
        // The trainers are others here: what they take is said in the notes of the bench.
        foreignLoad: runs === 1 ? warnOfLoad(loadMeanwhile(), note) : loadMeanwhile(),
        serverCores: (processSeconds(server.pid) - begun.seconds) / wall,
        serverPeakBytes: peakMemoryBytes(server.pid),
        heapBytesPerSubscriber: Math.round((idle.heapBytes - before.heapBytes) / connected),
        residentBytesPerSubscriber: Math.round((idle.residentBytes - before.residentBytes) / connected),
      }
    })
  } finally {
    await rm(home, { recursive: true, force: true, maxRetries: 3 })
  }
}

const memorySchema = z.object({ residentBytes: z.number(), heapBytes: z.number() })

function startServer(home: string, devices: number) {
  const args = ['--expose-gc', '--import', 'tsx', workerFile('fanout-server'), home, String(devices)]
  const command = { name: 'the server', command: process.execPath, args, readyWithinMs: 60_000 }
  return startWorker(command, z.object({ url: z.string() }))
}

function startSubscribers() {
  const args = ['--import', 'tsx', workerFile('fanout-subscribers')]
  const command = { name: 'the subscribers', command: process.execPath, args, readyWithinMs: 60_000 }
  return startWorker(command, z.object({ ready: z.literal(true) }))
}

function workerFile(name: string): string {
  return fileURLToPath(new URL(`../workers/${name}.ts`, import.meta.url))
}

async function createRuns(url: string, count: number): Promise<{ id: string; directory: string }[]> {
  const client = createClient({ url })
  const small = { dataset: 'shapes', trainImages: 64, validationImages: 32, globalBatch: 16 }
  try {
    return await Promise.all(Array.from({ length: count }, () => client.createRun(small)))
  } catch (error) {
    throw new BenchError(`A run could not be created: ${String(error)}`)
  } finally {
    await client.close()
  }
}
