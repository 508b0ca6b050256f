// Consecutive batches of a run as one: the same rows by fewer statements.
import { type ProjectedBatch, withoutLeases } from './run.projection.ts'
import type { LogPosition } from './run.store.ts'

export interface MergedChange {
  batch: ProjectedBatch
  positions: LogPosition[]
}

/** Appends the next batch to `into`, whose lists grow: copying them for each batch would take the square of the time. */
export function appendChange(
  into: MergedChange,
  next: { batch: ProjectedBatch; positions: readonly LogPosition[] },
): void {
  const { batch } = into
  batch.run = next.batch.run
  batch.changed = [...new Set([...batch.changed, ...next.batch.changed])]
  batch.events.push(...next.batch.events)
  batch.epochMetrics.push(...next.batch.epochMetrics)
  batch.checkpoints.push(...next.batch.checkpoints)
  batch.checkpointChanges.push(...next.batch.checkpointChanges)
  batch.attemptsStarted.push(...next.batch.attemptsStarted)
  batch.attemptsReleased.push(...next.batch.attemptsReleased)
  const over = new Set(next.batch.attemptsReleased.map(({ number }) => number))
  batch.attemptsLeased = [...withoutLeases(batch.attemptsLeased, over), ...next.batch.attemptsLeased]
  const later = new Set(next.positions.map(({ attempt }) => attempt))
  into.positions = [...into.positions.filter(({ attempt }) => !later.has(attempt)), ...next.positions]
}

/** The first of such batches, with lists of its own. */
export function beginChange({
  batch,
  positions,
}: {
  batch: ProjectedBatch
  positions: readonly LogPosition[]
}): MergedChange {
  return {
    batch: {
      ...batch,
      events: [...batch.events],
      epochMetrics: [...batch.epochMetrics],
      checkpoints: [...batch.checkpoints],
      checkpointChanges: [...batch.checkpointChanges],
      attemptsStarted: [...batch.attemptsStarted],
      attemptsReleased: [...batch.attemptsReleased],
    },
    positions: [...positions],
  }
}
