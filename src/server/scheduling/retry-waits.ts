// How long queued runs have yet to wait for their next attempt. Time that has passed here counts too: a clock that is set back
// has no run wait for longer than its policy says.
import type { RunRecord } from '../runs/run.record.ts'
import { retryWaitMs } from './retry.ts'

type Waiting = Pick<RunRecord, 'id' | 'notBefore' | 'tries' | 'spec'>

export interface RetryWaits {
  /** Milliseconds of each run that has to wait; one that is not asked about again is forgotten. */
  of(queue: readonly Waiting[], now: Date): ReadonlyMap<string, number>
}

interface Wait {
  notBefore: number
  /** By the monotonic clock. */
  endsAtMs: number
}

export function createRetryWaits(monotonicMs: () => number): RetryWaits {
  let waits = new Map<string, Wait>()

  function look(run: Waiting, now: Date): Wait | null {
    if (run.notBefore === null) return null
    const notBefore = run.notBefore.getTime()
    const endsAtMs = monotonicMs() + retryWaitMs(run, run.spec.retry, now)
    const known = waits.get(run.id)
    return { notBefore, endsAtMs: known?.notBefore === notBefore ? Math.min(known.endsAtMs, endsAtMs) : endsAtMs }
  }

  return {
    of(queue, now) {
      waits = new Map(
        queue.flatMap((run) => {
          const wait = look(run, now)
          return wait === null ? [] : [[run.id, wait]]
        }),
      )
      return new Map(
        [...waits].flatMap(([id, { endsAtMs }]) => {
          const left = endsAtMs - monotonicMs()
          return left > 0 ? [[id, left]] : []
        }),
      )
    },
  }
}
