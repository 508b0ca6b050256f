// What each heartbeat says, from one to the next. Times are counted in beats: whatever becomes of the machine's clock, a
// replica has stalled for as many beats as it was seen at work without having moved.
import type { Heartbeat, ReplicaBeat } from '../shared/run-directory.ts'
import type { Progress, WatchedReplicas } from './progress.ts'
import { readReplicas, type ReplicaState } from './replica-progress.ts'

export interface BeatSource {
  run: string
  attempt: number
  pid: number
  progress: Progress['shared']
  now: () => Date
}

export interface Beats {
  /** From now on the beats tell of these replicas. */
  watch(replicas: WatchedReplicas): void
  next(): Heartbeat
}

interface Seen {
  ticks: bigint
  movedBeat: number
  /** The last beat at which it moved or rested. */
  freeBeat: number
  progressAt: string
}

export function createBeats({ run, attempt, pid, progress, now }: BeatSource): Beats {
  let beat = 0
  let watched: WatchedReplicas | null = null
  let seen: Seen[] = []

  function look({ steps, ticks, resting }: ReplicaState, replica: number, at: string): ReplicaBeat {
    const before = seen[replica]
    const moved = before?.ticks !== ticks
    const movedBeat = moved ? beat : before.movedBeat
    const progressAt = moved ? at : before.progressAt
    const freeBeat = moved || resting ? beat : before.freeBeat
    seen[replica] = { ticks, movedBeat, freeBeat, progressAt }
    const device = watched?.devices[replica] ?? ''
    const step = (watched?.startStep ?? 0) + steps
    return { device, step, resting, movedBeat, stalledBeats: beat - freeBeat, progressAt }
  }

  return {
    watch(replicas) {
      watched = replicas
      seen = []
    },
    next() {
      beat += 1
      const at = now().toISOString()
      const states = watched === null ? [] : readReplicas(watched.rows)
      return {
        run,
        attempt,
        pid,
        beat,
        at,
        epoch: Number(Atomics.load(progress, 0)),
        step: Number(Atomics.load(progress, 1)),
        progressAt: new Date(Number(Atomics.load(progress, 2))).toISOString(),
        replicas: states.map((state, replica) => look(state, replica, at)),
      }
    },
  }
}
