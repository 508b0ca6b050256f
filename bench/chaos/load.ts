// What goes on in a storm beside the faults: a user who always has a few runs under way, follows each by the SDK as one
// stream however often it is cut, pauses one now and then, and resumes those that fail or are paused.
import { basename, join } from 'node:path'
import {
  type Client,
  createClient,
  type CreateRunInput,
  type RunEvent,
  TrainqlFailure,
  TrainqlGraphqlError,
} from '../../src/sdk/index.ts'
import { createRandom } from '../../src/trainer/random.ts'
import { pause } from './pause.ts'
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
  /** Has no more runs made, and none paused; those there are go on. */
  stopMaking(): void
  /** Times that a run was paused as the user had asked. */
  pauses(): number
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
  /** Of when which run is paused. */
  seed: number
  /** From one pause to the next, at most. */
  pauseEveryMs: number
  /** Called with the directory of each run that there is. */
  onRun: (directory: string) => void
  note: (line: string) => void
}

const patienceMs = 200

export function startLoad(options: LoadOptions): Load {
  const { url, subscribersUrl, runsFolder, recipes, atOnce, atMost, seed, pauseEveryMs, onRun, note } = options
  const closing = new AbortController()
  const { signal } = closing
  const retry = { attempts: Infinity, minDelayMs: 50, maxDelayMs: 500 }
  const control = createClient({ url, timeoutMs: 10_000 })
  // A half-open link is noticed within two seconds.
  const subscriber = createClient({ url: subscribersUrl, retry, keepAliveMs: 1_000, pongTimeoutMs: 1_000 })
  const runs = new Map<string, FollowedRun>()
  const complaints = new Map<string, number>()
  const follows: Promise<void>[] = []
  const making = new AbortController()
  const whileMaking = AbortSignal.any([signal, making.signal])
  let made = 0
  let pauses = 0

  /** A user tries again; what is not a matter of the network is kept. */
  function complain(error: unknown): void {
    if (signal.aborted || isNetwork(error) || error === making.signal.reason) return
    const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    complaints.set(words, (complaints.get(words) ?? 0) + 1)
  }

  /** A run may be there although the answer to its creation was lost. */
  function adopt(): void {
    for (const id of listRuns(runsFolder)) {
      if (runs.has(id)) continue
      const run: FollowedRun = { id, directory: join(runsFolder, id), seen: [], ended: false }
      runs.set(id, run)
      onRun(run.directory)
      follows.push(follow(run))
    }
  }

  async function follow(run: FollowedRun): Promise<void> {
    while (!run.ended && !signal.aborted) {
      try {
        const state = await followOnce(run)
        run.ended = state === 'SUCCEEDED'
        if (run.ended) note(`  run ${basename(run.directory)} has succeeded; attempts: ${attemptsOf(run)}`)
        else if (state !== null) await resume(run)
      } catch (error) {
        complain(error)
        await pause(patienceMs, signal)
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
      if (event.__typename === 'PausedEvent' && event.reason === 'USER') pauses += 1
      if (event.__typename === 'PausedEvent' || isGivenUp(event)) void resume(run)
    }
    return state ?? (await control.run(run.id, { signal })).state
  }

  /** What declines it has gone on already. */
  function resume({ id }: FollowedRun): Promise<void> {
    return eventually(control, () => control.resumeRun(id, { signal }), signal).then(() => undefined, complain)
  }

  const live = (): FollowedRun[] => [...runs.values()].filter(({ ended }) => !ended)

  /** Whether it is one that can be paused is the server's to say. */
  async function pauseSome(): Promise<void> {
    const random = createRandom({ seed, stream: 'shuffle', substream: 1 })
    for (;;) {
      await pause(random.uniform() * pauseEveryMs, whileMaking)
      if (whileMaking.aborted) return
      const candidates = live()
      const run = candidates[Math.floor(random.uniform() * candidates.length)]
      if (run === undefined) continue
      await eventually(control, () => control.pauseRun(run.id, { signal }), whileMaking).catch(complain)
    }
  }

  async function make(): Promise<void> {
    while (!whileMaking.aborted) {
      adopt()
      const recipe = recipes[made % recipes.length]
      if (live().length < atOnce && made < atMost && recipe !== undefined) {
        try {
          await control.createRun({ ...recipe, name: `storm ${made + 1}` }, { signal })
          made += 1
        } catch (error) {
          complain(error)
        }
      }
      await pause(patienceMs, whileMaking)
    }
  }
  const user = Promise.all([make(), pauseSome()])

  return {
    runs: () => [...runs.values()],
    stopMaking: () => making.abort(),
    pauses: () => pauses,
    async settled() {
      await user
      adopt()
      await Promise.all(follows)
    },
    complaints: () => complaints,
    async close() {
      closing.abort()
      await Promise.all([user, ...follows])
      await Promise.all([control.close(), subscriber.close()])
    },
  }
}

/** Of silent trainers every other one is given up for a next attempt; the others are waited for. */
function isGivenUp(event: RunEvent): boolean {
  return event.__typename === 'UnreachableEvent' && event.toAttempt % 2 === 0
}

function isNetwork(error: unknown): boolean {
  return (error instanceof Error && error.name === 'TrainqlNetworkError') || isOutage(error) || isStateOfRun(error)
}

function isOutage(error: unknown): boolean {
  return error instanceof TrainqlGraphqlError && error.code === 'DATABASE_UNAVAILABLE'
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
      if (error instanceof TrainqlFailure || !isNetwork(error)) throw error
    }
    await pause(patienceMs, signal)
  }
}
