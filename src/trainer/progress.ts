// How far an attempt has come, kept where the loop, the heartbeat's thread and the last words can all see it.
import type { ReplicaRows } from './replica-progress.ts'

export interface Progress {
  /** Epoch under way, from 1; 0 before the first. */
  readonly epoch: number
  /** Global steps done. */
  readonly step: number
  /** Name of the newest checkpoint of this attempt, or the one it continued from. */
  lastCheckpoint: string | null
  /** Says that a step, an evaluation batch or a checkpoint has ended. */
  advance(epoch: number, step: number): void
  /** Says who trains from now on. */
  watchReplicas(replicas: WatchedReplicas): void
  /** Resolves once it is known who trains. */
  readonly replicas: Promise<WatchedReplicas>
  /** [epoch, step, milliseconds since 1970 of the last advance], read by `heartbeat-thread.ts`. */
  readonly shared: BigInt64Array<SharedArrayBuffer>
}

/** The replicas of an attempt, for its heartbeat. */
export interface WatchedReplicas {
  /** Names, in the order of the rows. */
  devices: string[]
  rows: ReplicaRows
  /** Global steps done before the session was opened. */
  startStep: number
}

export function createProgress(): Progress {
  const shared = new BigInt64Array(new SharedArrayBuffer(3 * BigInt64Array.BYTES_PER_ELEMENT))
  Atomics.store(shared, 2, BigInt(Date.now()))
  let watchReplicas: Progress['watchReplicas'] = () => undefined
  const replicas = new Promise<WatchedReplicas>((resolve) => {
    watchReplicas = resolve
  })
  return {
    get epoch() {
      return Number(Atomics.load(shared, 0))
    },
    get step() {
      return Number(Atomics.load(shared, 1))
    },
    lastCheckpoint: null,
    advance(epoch, step) {
      Atomics.store(shared, 0, BigInt(epoch))
      Atomics.store(shared, 1, BigInt(step))
      Atomics.store(shared, 2, BigInt(Date.now()))
    },
    watchReplicas,
    replicas,
    shared,
  }
}
