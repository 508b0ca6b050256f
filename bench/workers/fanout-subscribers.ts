// Subscribers of runs, each an SDK client with a WebSocket of its own, in a process that is not the server's.
//
// Answers {subscribe: {url, runIds, each, queued}} once every subscriber has seen what the runs had logged by then, and
// {finish: {directories}} once every stream has ended, with what became of the events.
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { createClient } from '../../src/sdk/index.ts'
import { type Delivery, finishSchema, subscribeSchema } from '../fanout/delivery.ts'
import { readStamps } from '../fanout/pace.ts'

const requestSchema = z.union([z.object({ subscribe: subscribeSchema }), z.object({ finish: finishSchema })])

interface Subscriber {
  run: number
  /** Nanoseconds of the monotonic clock when step n was handed over, at place n. */
  seen: bigint[]
  cursors: number[]
  begun: Promise<void>
  ended: Promise<void>
}

let subscribers: Subscriber[] = []

function subscribe(url: string, runId: string, run: number): Subscriber {
  const client = createClient({ url })
  let started = (): void => undefined
  const begun = new Promise<void>((resolve) => (started = resolve))
  const seen: bigint[] = []
  const cursors: number[] = []
  const follow = async (): Promise<void> => {
    for await (const event of client.runEvents(runId)) {
      const now = process.hrtime.bigint()
      cursors.push(Number(Buffer.from(event.cursor, 'base64').toString().replace('cursor:', '')))
      if (event.__typename === 'StepEvent') seen[event.step] = now
      else if (event.__typename === 'StartedEvent') started()
    }
    await client.close()
  }
  return { run, seen, cursors, begun, ended: follow() }
}

function deliveryOf(directories: readonly string[]): Delivery {
  const stamps = directories.map(readStamps)
  const latencies: number[] = []
  let [lost, doubled, disordered] = [0, 0, 0]
  for (const { run, seen, cursors } of subscribers) {
    const appended = stamps[run] ?? new BigInt64Array()
    for (let step = 1; step < appended.length; step += 1) {
      const at = seen[step]
      if (at === undefined) lost += 1
      else latencies.push(Number(at - (appended[step] ?? 0n)) / 1e6)
    }
    doubled += cursors.length - new Set(cursors).size
    disordered += cursors.filter((cursor, index) => cursor !== index + 1).length
  }
  const sorted = Float64Array.from(latencies).sort()
  const quantile = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN
  const deliveries = { delivered: sorted.length, lost, doubled, disordered }
  return { ...deliveries, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs: quantile(1) }
}

const answer = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
answer({ ready: true })
for await (const line of createInterface({ input: process.stdin })) {
  const request = requestSchema.parse(JSON.parse(line))
  if ('subscribe' in request) {
    const { url, runIds, each } = request.subscribe
    subscribers = runIds.flatMap((runId, run) => Array.from({ length: each }, () => subscribe(url, runId, run)))
    await Promise.all(subscribers.map(({ begun, ended }) => Promise.race([begun, ended])))
    answer({ subscribers: subscribers.length })
  } else {
    await Promise.all(subscribers.map(({ ended }) => ended))
    answer(deliveryOf(request.finish.directories))
  }
}
