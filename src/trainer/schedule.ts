// The learning rate of each step, as a pure function of the run spec and the position.
import type { RunSpec } from '../shared/run-spec.ts'

/** Learning rate of global step `step` (from 1). */
export function learningRateAt(
  { schedule, learningRate }: Pick<RunSpec, 'schedule' | 'learningRate'>,
  _step: number,
): number {
  switch (schedule.kind) {
    case 'CONSTANT':
      return learningRate
    default:
      return schedule.kind satisfies never
  }
}
