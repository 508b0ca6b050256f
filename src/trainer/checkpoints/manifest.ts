// `manifest.json` of a checkpoint: where training stood, and what each file must hash to. It names no device.
import { z } from 'zod'
import { architectures, parseWith } from '../../shared/run-spec.ts'

export const manifestFile = 'manifest.json'
export const weightsFile = 'model.safetensors'
export const optimizerFile = 'optimizer.safetensors'

const count = z.number().int().min(0)
const metric = z.number().nullable()
const fileSchema = z.strictObject({ bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) })

const manifestSchema = z.object({
  formatVersion: z.literal(1),
  runId: z.string(),
  attempt: count,
  /** Epochs complete, evaluation included. */
  epoch: count,
  /** Global steps done. */
  step: count,
  model: z.strictObject({
    architecture: z.enum(architectures),
    classes: z.number().int().positive(),
    input: z.strictObject({ channels: count, height: count, width: count }),
  }),
  /** What the images were: with it a checkpoint alone is enough to predict. Manifests of earlier versions have none. */
  data: z
    .strictObject({
      dataset: z.string(),
      /** In the order of the labels. */
      classNames: z.array(z.string()),
      /** Per channel, of pixel / 255. */
      normalisation: z.strictObject({ mean: z.array(z.number()), deviation: z.array(z.number().positive()) }),
    })
    .nullable()
    .default(null),
  /** Of the epoch just complete; null where the checkpoint was taken inside an epoch. */
  metrics: z
    .strictObject({
      trainLoss: metric,
      validationLoss: metric,
      accuracy: metric,
      /** Manifests of earlier versions have none. */
      top5Accuracy: metric.default(null),
    })
    .nullable(),
  /** Where the batches go on: `epoch` (from 1) is under way with `step` of its steps done and their losses summed. */
  sampler: z.strictObject({ seed: count, epoch: z.number().int().positive(), step: count, lossSum: metric }),
  /** The run's schedule, with what else decides the learning rate of a step. */
  schedule: z.looseObject({ kind: z.string(), learningRate: z.number(), totalSteps: count }),
  /** The run's optimiser; `step` counts its updates. */
  optimizer: z.looseObject({ kind: z.string(), step: count }),
  engine: z.strictObject({ name: z.string(), detail: z.string() }),
  files: z.strictObject({ [weightsFile]: fileSchema, [optimizerFile]: fileSchema }),
})
export type Manifest = z.output<typeof manifestSchema>
export type FileRecord = z.output<typeof fileSchema>

/** @throws TrainqlError `INVALID_INPUT` */
export function parseManifest(input: unknown): Manifest {
  return parseWith(manifestSchema, input, 'checkpoint manifest')
}
