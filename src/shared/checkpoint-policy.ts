// Which checkpoints a run takes beside the one of each epoch, which of them it keeps, and what a full disk does to it.
import { z } from 'zod'

export const checkpointMetrics = ['VALIDATION_LOSS', 'ACCURACY'] as const
export type CheckpointMetric = (typeof checkpointMetrics)[number]

/** What a run does where a checkpoint does not fit on the disk: fail, or train on without it. */
export const fullDiskPolicies = ['FAIL', 'CONTINUE'] as const
export type FullDiskPolicy = (typeof fullDiskPolicies)[number]

const positiveInt = z.number().int().positive()

/** A run keeps what any of `keepLast`, `keepBest` and `keepEvery` keeps, and all where it names none of them. */
export const checkpointPolicySchema = z.strictObject({
  /** A checkpoint also after so many steps of the run; null: at the end of each epoch only. */
  everySteps: positiveInt.nullable().default(null),
  /** The newest ones. */
  keepLast: positiveInt.nullable().default(null),
  /** Of those of whole epochs the ones that did best in their validation; of equal ones the earlier. */
  keepBest: z
    .strictObject({ metric: z.enum(checkpointMetrics), count: positiveInt.default(1) })
    .nullable()
    .default(null),
  /** Those of every so many whole epochs. */
  keepEvery: positiveInt.nullable().default(null),
  onDiskFull: z.enum(fullDiskPolicies).default('FAIL'),
})
export type CheckpointPolicy = z.output<typeof checkpointPolicySchema>
