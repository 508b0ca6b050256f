// `manifest.json` of a checkpoint: what the weights are, where training stood, where they came from, and what each file
// must hash to. It names no device.
import { z } from 'zod'
import { checkpointReferenceText } from '../../shared/checkpoint-reference.ts'
import { checkpointFormats, checkpointLayouts } from '../../shared/load-report.ts'
import { checkpointName } from '../../shared/run-directory.ts'
import { parseWith } from '../../shared/parse-with.ts'
import { architectures } from '../../shared/run-spec.ts'

export const manifestFile = 'manifest.json'
export const weightsFile = 'model.safetensors'
export const optimizerFile = 'optimizer.safetensors'

const count = z.number().int().min(0)
const positive = z.number().int().positive()
const metric = z.number().nullable()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const fileSchema = z.strictObject({ bytes: count, sha256 })

const trainingSchema = z.strictObject({
  /** Where the batches go on: `epoch` (from 1) is under way with `step` of its steps done and their losses summed. */
  sampler: z.strictObject({ seed: count, epoch: positive, step: count, lossSum: metric }),
  /** The run's schedule, with what else decides the learning rate of a step. */
  schedule: z.looseObject({ kind: z.string(), learningRate: z.number(), totalSteps: count }),
  engine: z.strictObject({ name: z.string(), detail: z.string() }),
})

const manifestSchema = z
  .object({
    formatVersion: z.literal(2),
    /** Null: imported from a file, no run wrote it. */
    runId: z.string().nullable(),
    /** 0 where it is imported. */
    attempt: count,
    /** Epochs complete, evaluation included. */
    epoch: count,
    /** Global steps done. */
    step: count,
    model: z.strictObject({
      architecture: z.enum(architectures),
      classes: positive,
      /** Height and width are null where only a file of weights told of the model: they fit any size. */
      input: z.strictObject({ channels: positive, height: positive.nullable(), width: positive.nullable() }),
    }),
    /** What the images were: with it a checkpoint alone is enough to predict. Null where the file did not say. */
    data: z
      .strictObject({
        dataset: z.string(),
        /** In the order of the labels. */
        classNames: z.array(z.string()),
        /** Per channel, of pixel / 255. */
        normalisation: z.strictObject({ mean: z.array(z.number()), deviation: z.array(z.number().positive()) }),
        /** Validation images were scaled to cover 256/224 of the input and cut to its middle, as torchvision does it. */
        margin: z.boolean().default(false),
      })
      .nullable(),
    /** Of the epoch just complete; null where the checkpoint was taken inside an epoch. */
    metrics: z
      .strictObject({ trainLoss: metric, validationLoss: metric, accuracy: metric, top5Accuracy: metric })
      .nullable(),
    /** How a run goes on from here; null where it is imported. */
    training: trainingSchema.nullable(),
    /** Whose state `optimizer.safetensors` holds, with its settings; `step` counts its updates. Null: there is none. */
    optimizer: z.looseObject({ kind: z.string(), step: count }).nullable(),
    /**
     * What the weights were before the attempt that wrote this: the checkpoint that it was resumed from or initialised
     * with, as `<runId>/<name>` or `imported/<id>`, and the sha-256 of its weights. Null: fresh weights, or imported.
     */
    parent: z.strictObject({ checkpoint: z.string(), sha256 }).nullable(),
    importedFrom: z
      .strictObject({
        /** Base name of the file. */
        file: z.string(),
        sha256,
        format: z.enum(checkpointFormats),
        layout: z.enum(checkpointLayouts),
        strippedPrefix: z.string(),
      })
      .nullable(),
    files: z.strictObject({ [weightsFile]: fileSchema, [optimizerFile]: fileSchema.optional() }),
  })
  .refine(({ optimizer, files }) => (optimizer === null) === (files[optimizerFile] === undefined), {
    path: ['optimizer'],
    error: `Expected optimizer exactly where there is ${optimizerFile}`,
  })
export type Manifest = z.output<typeof manifestSchema>
export type FileRecord = z.output<typeof fileSchema>

/** Of a checkpoint that a run wrote and can go on from: training and optimiser are there. */
export interface ResumableManifest extends Manifest {
  runId: string
  training: NonNullable<Manifest['training']>
  optimizer: NonNullable<Manifest['optimizer']>
}

export function isResumable(manifest: Manifest): manifest is ResumableManifest {
  return manifest.runId !== null && manifest.training !== null && manifest.optimizer !== null
}

/** How checkpoints written behind this one name it as their parent. */
export function parentOf({ runId, attempt, step, files }: ResumableManifest): NonNullable<Manifest['parent']> {
  const checkpoint = checkpointReferenceText({ kind: 'RUN', runId, name: checkpointName(attempt, step) })
  return { checkpoint, sha256: files[weightsFile].sha256 }
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseManifest(input: unknown): Manifest {
  return parseWith(manifestSchema, input, 'checkpoint manifest')
}
