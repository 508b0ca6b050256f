// What was expected of a run beside what happened: pure.
import type { RunRecord } from '../runs/run.record.ts'
import type { FirstLease, MeasuredRow } from './measured-run.store.ts'
import { median } from './pace.ts'

export interface Graded {
  expected: number | null
  actual: number | null
  /** Of what was expected; above 0 where it came to more. Null where one of the two is unknown, or nothing was expected. */
  errorPercent: number | null
}

export interface RunGrade {
  imagesPerSecond: Graded
  /** Known once it has succeeded, in one attempt. */
  durationSeconds: Graded
  waitSeconds: Graded
  /** Devices it got first. */
  deviceNames: string[]
}

/** Null where nothing was expected, and before it got devices. */
export function gradeRun(run: RunRecord, first: FirstLease | null, measured: MeasuredRow | null): RunGrade | null {
  const { plan, state, attempt, createdAt, startedAt, finishedAt } = run
  if (plan === null || first === null) return null
  const isWhole = state === 'SUCCEEDED' && attempt === 1
  return {
    imagesPerSecond: graded(
      plan.imagesPerSecond?.expected ?? null,
      measured === null ? null : median(measured.epochs.map(({ imagesPerSecond }) => imagesPerSecond)),
    ),
    durationSeconds: graded(
      plan.durationSeconds?.expected ?? null,
      isWhole && startedAt !== null && finishedAt !== null ? secondsBetween(startedAt, finishedAt) : null,
    ),
    waitSeconds: graded(plan.waitSeconds, secondsBetween(createdAt, first.leasedAt)),
    deviceNames: first.deviceNames,
  }
}

function graded(expected: number | null, actual: number | null): Graded {
  const known = expected !== null && expected > 0 && actual !== null
  return { expected, actual, errorPercent: known ? (100 * (actual - expected)) / expected : null }
}

function secondsBetween(from: Date, to: Date): number {
  return Math.max(0, (to.getTime() - from.getTime()) / 1000)
}
