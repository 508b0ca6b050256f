// What goes on in a storm beside the faults: a user who always has a few runs under way, follows each by the SDK as one
// stream however often it is cut, and resumes those that fail.
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, TrainqlFailure, type Client, type CreateRunInput, type RunEvent } from '../../src/sdk/index.ts'
import { listRuns } from './trainers.ts'

/** An event as the subscriber got it. */
export interface SeenEvent {
  cursor: string
  attempt: number
  seq: number
  at: string
}

export interface FollowedRun {
  id: string
  directory: string
  /** In the order they came, over every drop. */
  seen: SeenEvent[]
  ended: boolean
}

export interface Load {
  runs(): readonly FollowedRun[]
  /** Has no more runs made; those there are go on. */
  stopMaking(): void
  /** Resolves when every run of the data directory has succeeded and its stream has ended. */
  settled(): Promise<void>
  /** What subscribers and requests were told beside the network's own errors, and how often. */
  complaints(): Map<string, number>
  close(): Promise<void>
}

export interface LoadOptions {
  /** The server itself, for what the user asks of it. */
  url: string
  /** Where subscribers reach it. */
  subscribersUrl: string
  runsFolder: string
  recipes: readonly CreateRunInput[]
  /** Runs under way at a time. */
  atOnce: number
  /** Of all. */
  atMost: number
  note: (line: string) => void
}

const patienceMs = 200

export function startLoad({ url, subscribersUrl, runsFolder, recipes, atOnce, atMost, note }: LoadOptions): Load {
  const closing = new AbortController()
  const { signal } = closing
  const retry = { attempts: Infinity, minDelayMs: 50, maxDelayMs: 500 }
  const control = createClient({ url, timeoutMs: 10_000 })
  // A half-open link is noticed within two seconds.
  const subscriber = createClient({ url: subscribersUrl, retry, keepAliveMs: 1_000, pongTimeoutMs: 1_000 })
  const runs = new Map<string, FollowedRun>()
  const complaints = new Map<string, number>()
  const follows: Promise<void>[] = []
  let making = true
  let made = 0

  /** A user tries again; what is not a matter of the network is kept. */
  function complain(error: unknown): void {
    if (signal.aborted || isNetwork(error)) return
    const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    complaints.set(words, (complaints.get(words) ?? 0) + 1)
  }

  async function pause(): Promise<void> {
    await sleep(patienceMs, undefined, { signal }).catch(() => undefined)
  }

  /** A run may be there although the answer to its creation was lost. */
  function adopt(): void {
    for (const id of listRuns(runsFolder)) {
      if (runs.has(id)) continue
      const run: FollowedRun = { id, directory: join(runsFolder, id), seen: [], ended: false }
      runs.set(id, run)
      follows.push(follow(run))
    }
  }

  async function follow(run: FollowedRun): Promise<void> {
    while (!run.ended && !signal.aborted) {
      try {
        const state = await followOnce(run)
        run.ended = state === 'SUCCEEDED'
        if (run.ended) note(`  run ${basename(run.directory)} has succeeded after ${attemptsOf(run)} attempts`)
        else if (state !== null) await resume(run)
      } catch (error) {
        complain(error)
        await pause()
      }
    }
  }

  /** The state that the run ended in; null where the stream was already at its end. */
  async function followOnce(run: FollowedRun): Promise<string | null> {
    let state: string | null = null
    for await (const event of subscriber.runEvents(run.id, { after: run.seen.at(-1)?.cursor ?? null, signal })) {
      const { cursor, attempt, seq, at } = event
      run.seen.push({ cursor, attempt, seq: Number(seq), at })
      state = event.__typename === 'RunEndedEvent' ? event.state : null
      if (event.__typename === 'PausedEvent' || isGivenUp(event)) void resume(run)
    }
    return state ?? (await control.run(run.id, { signal })).state
  }

  /** What declines it has gone on already. */
  function resume({ id }: FollowedRun): Promise<void> {
    return control.resumeRun(id, { signal }).then(() => undefined, complain)
  }

  async function make(): Promise<void> {
    while (making && !signal.aborted) {
      adopt()
      const live = [...runs.values()].filter(({ ended }) => !ended).length
      const recipe = recipes[made % recipes.length]
      if (live < atOnce && made < atMost && recipe !== undefined) {
        try {
          await control.createRun({ ...recipe, name: `storm ${made + 1}` }, { signal })
          made += 1
        } catch (error) {
          complain(error)
        }
      }
      await pause()
    }
  }
  const maker = make()

  return {
    runs: () => [...runs.values()],
    stopMaking() {
      making = false
    },
    async settled() {
      await maker
      adopt()
      await Promise.all(follows)
    },
    complaints: () => complaints,
    async close() {
      making = false
      closing.abort()
      await Promise.all([maker, ...follows])
      await Promise.all([control.close(), subscriber.close()])
    },
  }
}

/** Of silent trainers every other one is given up for a next attempt; the others are waited for. */
function isGivenUp(event: RunEvent): boolean {
  return event.__typename === 'UnreachableEvent' && event.toAttempt % 2 === 0
}

function isNetwork(error: unknown): boolean {
  return (error instanceof Error && error.name === 'TrainqlNetworkError') || isStateOfRun(error)
}

/** An answer that got lost on its way had its effect. */
function isStateOfRun(error: unknown): boolean {
  return error instanceof TrainqlFailure && (error.code === 'CONFLICT' || error.code === 'NOT_FOUND')
}

function attemptsOf({ seen }: FollowedRun): number {
  return Math.max(...seen.map(({ attempt }) => attempt))
}

/** Asks again until the server answers. */
export async function eventually<T>(
  client: Client,
  ask: (client: Client) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await ask(client)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof TrainqlFailure) throw error
    }
    await sleep(patienceMs, undefined, { signal }).catch(() => undefined)
  }
}
