// What is expected of a run before it is queued: told to the user, kept with the run, and graded when it has ended.
import { z } from 'zod'

const count = z.number().int().min(0)

export const planBases = ['PAST_RUNS', 'PROFILE'] as const
export type PlanBasis = (typeof planBases)[number]

export const runPlanSchema = z.object({
  parameters: count,
  /** Of one training step on one image: forward and backward. */
  flopsPerImage: z.number().positive(),
  /** Held by each device. */
  memoryBytesPerDevice: count,
  stepsPerEpoch: count,
  /** Expected of the devices that it was to get; null where nothing is known to tell by. */
  imagesPerSecond: z.number().positive().nullable(),
  /** From its start to its end, validation included. */
  durationSeconds: z.number().positive().nullable(),
  /** What the two above were told by. */
  basis: z.enum(planBases).nullable(),
  /** Devices it would have got; empty where it could not be told. */
  deviceNames: z.array(z.string()),
  /** How long until it was to get them; null where it could not be told. */
  waitSeconds: z.number().min(0).nullable(),
})
export type RunPlan = z.output<typeof runPlanSchema>
