// The learning rate of each step, as a pure function of the run spec and the position; stepped per optimiser step.
// Every kind gives what PyTorch's scheduler of the same name gives, to rounding (test/engine/parity/recipes.test.ts).
import type { RunSpec, ScheduleSpec } from '../shared/run-spec.ts'

/** A step of a run, and how long the run is. */
export interface SchedulePosition {
  /** Global step, from 1. */
  step: number
  stepsPerEpoch: number
  /** Of the whole run. */
  totalSteps: number
}

/** Learning rate of one global step. */
export function learningRateAt(
  { schedule, learningRate }: Pick<RunSpec, 'schedule' | 'learningRate'>,
  position: SchedulePosition,
): number {
  switch (schedule.kind) {
    case 'CONSTANT':
      return learningRate * warmUpFactor(schedule.warmUpSteps, position)
    case 'STEP':
      return learningRate * warmUpFactor(schedule.warmUpSteps, position) * stepFactor(schedule, position)
    case 'COSINE':
      return cosineRate({ ...schedule, learningRate }, position)
    case 'ONE_CYCLE':
      return learningRate * oneCycleFactor(schedule, position)
    default:
      return schedule satisfies never
  }
}

/** Whether the length of the run changes the learning rate of its steps. */
export function dependsOnLength({ kind }: ScheduleSpec): boolean {
  return kind === 'COSINE' || kind === 'ONE_CYCLE'
}

/**
 * t/W at step t of the W warm-up steps, 1 behind them (Goyal et al. 2017, arXiv:1706.02677): LinearLR with
 * `start_factor` 1/W and `total_iters` W - 1.
 */
function warmUpFactor(warmUpSteps: number, { step }: SchedulePosition): number {
  return step < warmUpSteps ? step / warmUpSteps : 1
}

/**
 * `factor` to the number of whole decay periods before this step: StepLR with `step_size` in steps and `gamma`, chained
 * with the warm-up (ChainedScheduler), so that the rate falls where an epoch begins whatever the warm-up.
 */
function stepFactor(
  { stepEpochs, factor }: Extract<ScheduleSpec, { kind: 'STEP' }>,
  { step, stepsPerEpoch }: SchedulePosition,
): number {
  return factor ** Math.floor((step - 1) / (stepEpochs * stepsPerEpoch))
}

/**
 * minimum + (rate - minimum) (1 + cos(pi t/T)) / 2 over the T steps behind the warm-up, t from 0 (Loshchilov & Hutter
 * 2017, arXiv:1608.03983): CosineAnnealingLR with `T_max` T and `eta_min`, behind the warm-up (SequentialLR).
 */
function cosineRate(
  { warmUpSteps, minimum, learningRate }: Extract<ScheduleSpec, { kind: 'COSINE' }> & { learningRate: number },
  position: SchedulePosition,
): number {
  const { step, totalSteps } = position
  if (step <= warmUpSteps) return learningRate * warmUpFactor(warmUpSteps, position)
  return between(learningRate, minimum, (step - 1 - warmUpSteps) / (totalSteps - warmUpSteps))
}

/**
 * A cosine up from startFactor to 1 over the first `peakShare` of the steps, then one down to endFactor at the last step
 * (Smith & Topin 2018, arXiv:1708.07120): OneCycleLR with `anneal_strategy` "cos", without momentum cycles; its
 * `div_factor` is 1 / startFactor, its `final_div_factor` startFactor / endFactor, its `pct_start` peakShare.
 */
function oneCycleFactor(
  { startFactor, endFactor, peakShare }: Extract<ScheduleSpec, { kind: 'ONE_CYCLE' }>,
  { step, totalSteps }: SchedulePosition,
): number {
  const index = step - 1
  const last = totalSteps - 1
  // Not always whole: the step nearest behind it is then already on the way down.
  const peak = peakShare * totalSteps - 1
  if (index > peak) return between(1, endFactor, (index - peak) / (last - peak))
  return peak === 0 ? 1 : between(startFactor, 1, index / peak)
}

/** Half a cosine from `start` (at share 0) to `end` (at share 1). */
function between(start: number, end: number, share: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * share))) / 2
}
