// What is expected of a run before it is queued: told to the user, kept with the run, and graded when it has ended.
import { z } from 'zod'

const count = z.number().int().min(0)

/** PAST_RUNS of the same model on images of the same size; PROFILE: the FLOPs of other models, at the rate of their runs. */
export const planBases = ['PAST_RUNS', 'PROFILE'] as const
export type PlanBasis = (typeof planBases)[number]

/** What is expected, and between what it is likely to lie. */
const expectationSchema = z.object({
  expected: z.number().positive(),
  low: z.number().positive(),
  high: z.number().positive(),
})
export type Expectation = z.output<typeof expectationSchema>

const imageShapeSchema = z.object({ channels: count, height: count, width: count })
export type ImageShape = z.output<typeof imageShapeSchema>

export const runPlanSchema = z.object({
  parameters: count,
  // Null where the size of the images is known only once they are opened: these three.
  /** Of what the model reads. */
  image: imageShapeSchema.nullable(),
  /** Of one training step on one image: forward and backward. */
  flopsPerImage: z.number().positive().nullable(),
  /** Of the native engine; `each`: of one device, `total`: of all together, with what they hold in common. */
  memoryBytes: z.object({ each: count, total: count }).nullable(),
  stepsPerEpoch: count,
  validationImages: count,
  /** Of training, on the devices that it was to get; null where nothing is known to tell by. */
  imagesPerSecond: expectationSchema.nullable(),
  /** From its first step to its end, validation and checkpoints included. */
  durationSeconds: expectationSchema.nullable(),
  /** What the two above were told by. */
  basis: z.enum(planBases).nullable(),
  /** The same in words, or why nothing could be told. */
  basedOn: z.string(),
  /** Devices it would have got; empty where it could not be told. */
  deviceNames: z.array(z.string()),
  /** How long until it was to get them; null where it could not be told. */
  waitSeconds: z.number().min(0).nullable(),
})
export type RunPlan = z.output<typeof runPlanSchema>

/** An incomplete last batch is dropped. */
export function stepsPerEpoch(
  spec: { trainImages: number | null; globalBatch: number },
  dataset: { trainImages: number },
): number {
  return Math.floor((spec.trainImages ?? dataset.trainImages) / spec.globalBatch)
}
