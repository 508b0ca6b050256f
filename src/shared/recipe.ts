// The recipe of a run: optimiser, schedule of the learning rate, and the rules that their settings keep.
import { z } from 'zod'
import { invalidInput } from './errors.ts'

export const optimizerKinds = ['SGD', 'ADAM', 'ADAMW'] as const
export type OptimizerKind = (typeof optimizerKinds)[number]

export const scheduleKinds = ['CONSTANT', 'STEP', 'COSINE', 'ONE_CYCLE'] as const
export type ScheduleKind = (typeof scheduleKinds)[number]

/** What the engine computes in. BF16: activations and products in bfloat16, weights and sums in fp32. */
export const precisions = ['FP32', 'BF16'] as const
export type Precision = (typeof precisions)[number]

const positiveInt = z.number().int().positive()

/** False: no weight decay for batch-norm scales and shifts and for biases, the parameters of rank 1. */
const decayVectors = z.boolean().default(true)

const adamSettings = {
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  epsilon: z.number().positive().default(1e-8),
}

export const optimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('SGD'),
    momentum: z.number().min(0).lt(1).default(0.9),
    nesterov: z.boolean().default(false),
    /** L2 added to the gradient, as in torch.optim.SGD. */
    weightDecay: z.number().min(0).default(0),
    decayVectors,
  }),
  z.strictObject({
    kind: z.literal('ADAM'),
    ...adamSettings,
    /** L2 added to the gradient, as in torch.optim.Adam. */
    weightDecay: z.number().min(0).default(0),
    decayVectors,
  }),
  z.strictObject({
    kind: z.literal('ADAMW'),
    ...adamSettings,
    /** Decoupled: a step takes learning rate times this share off the weights, as in torch.optim.AdamW. */
    weightDecay: z.number().min(0).default(0.01),
    decayVectors,
  }),
])
export type OptimizerSpec = z.output<typeof optimizerSchema>

/** The first so many steps rise linearly: step t of W has t/W of the learning rate. */
const warmUpSteps = z.number().int().min(0).default(0)

/** `src/trainer/schedule.ts` has the formulas. The run's learning rate is the largest that a schedule gives. */
export const scheduleSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('CONSTANT'), warmUpSteps }),
  z.strictObject({
    kind: z.literal('STEP'),
    /** Times `factor` after every so many epochs. */
    stepEpochs: positiveInt,
    factor: z.number().positive().max(1).default(0.1),
    warmUpSteps,
  }),
  z.strictObject({
    kind: z.literal('COSINE'),
    /** The learning rate that the end of the run approaches. */
    minimum: z.number().min(0).default(0),
    warmUpSteps,
  }),
  z.strictObject({
    kind: z.literal('ONE_CYCLE'),
    /** Of the learning rate, at the first step: 1 / div_factor of torch.optim.lr_scheduler.OneCycleLR. */
    startFactor: z.number().positive().max(1).default(0.04),
    /** Of the learning rate, at the last step: 1 / (div_factor * final_div_factor). */
    endFactor: z.number().positive().max(1).default(4e-6),
    /** Share of the steps up to the full learning rate: pct_start. */
    peakShare: z.number().gt(0).lt(1).default(0.3),
  }),
])
export type ScheduleSpec = z.output<typeof scheduleSchema>

interface Recipe {
  optimizer: OptimizerSpec
  schedule: ScheduleSpec
  learningRate: number
}

/** @throws TrainqlError `INVALID_INPUT` where settings contradict each other. */
export function checkRecipe({ optimizer, schedule, learningRate }: Recipe): void {
  if (optimizer.kind === 'SGD' && optimizer.nesterov && optimizer.momentum === 0) {
    throw invalidInput({
      field: 'optimizer.nesterov',
      message: 'Expected a momentum above 0 for Nesterov; got 0.',
      fix: 'Set momentum, such as 0.9, or leave nesterov out.',
    })
  }
  if (schedule.kind === 'COSINE' && schedule.minimum > learningRate) {
    throw invalidInput({
      field: 'schedule.minimum',
      message: `Expected a minimum of at most the learning rate, ${learningRate}; got ${schedule.minimum}.`,
      fix: 'Lower the minimum, or raise the learning rate.',
    })
  }
}

/** The schedules that have a warm-up; ONE_CYCLE rises by itself. */
export type WarmedSchedule = Exclude<ScheduleSpec, { kind: 'ONE_CYCLE' }>

/** Whether the warm-up does not end before the run's last step. */
export function outlastsRun(schedule: ScheduleSpec, totalSteps: number): schedule is WarmedSchedule {
  return schedule.kind !== 'ONE_CYCLE' && schedule.warmUpSteps > 0 && schedule.warmUpSteps >= totalSteps
}

/** @throws TrainqlError `INVALID_INPUT` where the warm-up would not end before the run's last step. */
export function checkWarmUp(schedule: ScheduleSpec, totalSteps: number): void {
  if (!outlastsRun(schedule, totalSteps)) return
  throw invalidInput({
    field: 'schedule.warmUpSteps',
    message: `Expected a warm-up shorter than the run, which has ${totalSteps} steps; got ${schedule.warmUpSteps}.`,
    fix: 'Lower warmUpSteps, or train for more epochs.',
  })
}
