// The learning rate of each step, as a pure function of the run spec and the position.
import type { RunSpec, ScheduleSpec } from '../shared/run-spec.ts'

/** What the base rate is multiplied by at global step `step` (from 1). */
const factors: Record<ScheduleSpec['kind'], (step: number) => number> = {
  CONSTANT: () => 1,
}

/** Learning rate of global step `step` (from 1). */
export function learningRateAt(
  { schedule, learningRate }: Pick<RunSpec, 'schedule' | 'learningRate'>,
  step: number,
): number {
  return learningRate * factors[schedule.kind](step)
}
