// How far each replica of a session has come, in memory that any thread may read at any time: the heartbeat's thread sees
// a replica that is stuck even while the main thread waits for it. `native/src/replica_progress.h` is the other side.

/** Numbers in a replica's row: updates done, ticks, why it rests (0: it is at work); the rest keeps cache lines apart. */
const rowSize = 8
const [stepsAt, ticksAt, restAt] = [0, 1, 2]

/** Why a replica rests that has nothing to do; the native engine has further reasons, of which each is a wait. */
const idle = 3n

/** `rowSize` numbers for each replica. */
export type ReplicaRows = BigInt64Array<SharedArrayBuffer>

export interface ReplicaState {
  /** Updates done since the session was opened. */
  steps: number
  /** Moves on with each piece of work, many times a step. */
  ticks: bigint
  /** It waits for the others, or has nothing to do. */
  resting: boolean
}

export function createReplicaRows(replicas: number): ReplicaRows {
  const rows = new BigInt64Array(new SharedArrayBuffer(replicas * rowSize * BigInt64Array.BYTES_PER_ELEMENT))
  for (let replica = 0; replica < replicas; replica += 1) Atomics.store(rows, replica * rowSize + restAt, idle)
  return rows
}

export function readReplicas(rows: ReplicaRows): ReplicaState[] {
  return Array.from({ length: rows.length / rowSize }, (_, replica) => {
    const read = (at: number): bigint => Atomics.load(rows, replica * rowSize + at)
    return { steps: Number(read(stepsAt)), ticks: read(ticksAt), resting: read(restAt) !== 0n }
  })
}

/** For an engine that computes on the JS thread: says whose work is done there. */
export interface ReplicaTeller {
  /** The one replica that is at work from now on; null: none is. */
  turnTo(replica: number | null): void
  /** The replica at work has done a piece of it. */
  tick(): void
  /** Every replica has done an update. */
  endStep(): void
}

export function createReplicaTeller(rows: ReplicaRows, replicas: number): ReplicaTeller {
  let atWork: number | null = null
  return {
    turnTo(replica) {
      if (atWork === replica) return
      if (atWork !== null) Atomics.store(rows, atWork * rowSize + restAt, idle)
      if (replica !== null) Atomics.store(rows, replica * rowSize + restAt, 0n)
      atWork = replica
    },
    tick() {
      if (atWork !== null) Atomics.add(rows, atWork * rowSize + ticksAt, 1n)
    },
    endStep() {
      for (let replica = 0; replica < replicas; replica += 1) {
        Atomics.add(rows, replica * rowSize + stepsAt, 1n)
        Atomics.add(rows, replica * rowSize + ticksAt, 1n)
      }
    },
  }
}
