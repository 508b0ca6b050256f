// What is asked of the checkpoint process and what it answers: one JSON request as its argument, JSON lines out. Files
// that strangers made are read in that process alone, so that none can end a server or a shell.
import { z } from 'zod'
import { imageSizeSchema } from './augmentation.ts'
import { checkpointFormats, checkpointLayouts, loadReportSchema } from './load-report.ts'
import { pretrainedNames } from './pretrained.ts'
import { parseWith } from './parse-with.ts'
import { architectures } from './run-spec.ts'

const count = z.number().int().min(0)
const path = z.string().min(1)

/** The model a file is meant for; null parts are told by the file itself. */
export const targetModelSchema = z.strictObject({
  architecture: z.enum(architectures).nullable().default(null),
  classes: z.number().int().positive().nullable().default(null),
  inputChannels: z.number().int().positive().nullable().default(null),
})
export type TargetModel = z.output<typeof targetModelSchema>

export const exportFormats = ['SAFETENSORS', 'TORCH', 'ONNX'] as const
export type ExportFormat = (typeof exportFormats)[number]

const exportOptions = {
  format: z.enum(exportFormats),
  /** TORCH: `module.` before every name, as DataParallel writes. */
  modulePrefix: z.boolean().default(false),
  /** TORCH: `{epoch, arch, state_dict, optimizer}` as the ImageNet example writes, rather than the state dict alone. */
  trainingFile: z.boolean().default(false),
  /** ONNX: batch norm folded into the convolutions. */
  foldBatchNorm: z.boolean().default(true),
}
export const exportOptionsSchema = z.strictObject(exportOptions)
export type ExportOptions = z.output<typeof exportOptionsSchema>

export const checkpointRequestSchema = z.discriminatedUnion('action', [
  /** What a file (or checkpoint folder) is, and what would come of loading it. Reads, writes nothing. */
  z.strictObject({ action: z.literal('INSPECT'), file: path, target: targetModelSchema.prefault({}) }),
  /** Makes a checkpoint folder of a file: at `folder`, whole or not at all. */
  z.strictObject({
    action: z.literal('IMPORT'),
    file: path,
    folder: path,
    target: targetModelSchema.prefault({}),
    /** Take what matches where tensors are missing, unexpected or of another shape. */
    allowPartial: z.boolean().default(false),
  }),
  /**
   * Makes a checkpoint folder of published weights: the file is looked for in `folders` and `cacheFolder`, else fetched
   * into `cacheFolder` from `url`. Its hash is checked either way. The answer is IMPORTED.
   */
  z.strictObject({
    action: z.literal('PRETRAINED'),
    name: z.enum(pretrainedNames),
    /** Searched in this order. */
    folders: z.array(path).default([]),
    /** Folder URL, to which the file's name is added; null: nothing is fetched. */
    url: z
      .url({ protocol: /^https?$/ })
      .nullable()
      .default(null),
    /** Null: nothing is fetched. */
    cacheFolder: path.nullable().default(null),
    folder: path,
  }),
  /** Makes a file of a checkpoint folder, or of any file that can be imported: at `out`, whole or not at all. */
  z.strictObject({ action: z.literal('EXPORT'), file: path, out: path, ...exportOptions }),
  /** Hashes every file of a checkpoint folder anew. */
  z.strictObject({ action: z.literal('VERIFY'), folder: path }),
  /** The likeliest classes of image files, scaled as the validation images of the checkpoint's run were. */
  z.strictObject({
    action: z.literal('PREDICT'),
    /** A checkpoint. */
    folder: path,
    /** Files; of a folder, all image files directly in it, by name. */
    images: z.array(path).min(1),
    /** Classes to give of each image. */
    top: z.number().int().positive().default(5),
    /** Null: that of the images it was trained on. */
    imageSize: imageSizeSchema.nullable().default(null),
  }),
  /** Trains `steps` steps from a run's checkpoint again and compares with the run's record. */
  z.strictObject({
    action: z.literal('PROVE'),
    runDirectory: path,
    /** Name of the checkpoint to begin at; null: the initial weights. */
    checkpoint: z.string().nullable().default(null),
    /** Null: to the run's next checkpoint. */
    steps: z.number().int().positive().nullable().default(null),
    /** Number of devices to do it on; null: as the run did. */
    devices: z.number().int().positive().nullable().default(null),
  }),
])
export type CheckpointRequest = z.output<typeof checkpointRequestSchema>
/** As it is sent: what has a default may be left out. */
export type CheckpointRequestInput = z.input<typeof checkpointRequestSchema>

export const checkpointProblemCodes = [
  'NOT_A_CHECKPOINT',
  'TRUNCATED',
  'DAMAGED',
  'NO_TENSORS',
  'NOT_A_RESNET',
  'WRONG_ARCHITECTURE',
  'WRONG_CLASSES',
  'WRONG_CHANNELS',
  'MISSING_TENSORS',
  'UNEXPECTED_TENSORS',
  'SHAPE_MISMATCH',
  'PREFIX',
  'DEVICE_TAGS',
  'WHOLE_MODEL',
  'NON_FINITE',
  'OPTIMIZER',
] as const

const problemSchema = z.strictObject({
  code: z.enum(checkpointProblemCodes),
  /** False: worth knowing, and no hindrance here (a prefix that is taken off, device tags). */
  blocks: z.boolean(),
  message: z.string(),
  fix: z.string(),
})
/** Why a file would not load, or why it would not in PyTorch. */
export type CheckpointProblem = z.output<typeof problemSchema>

const inspectionSchema = z.strictObject({
  file: path,
  bytes: count,
  /** Null where the file is no checkpoint of any kind. */
  format: z.enum(checkpointFormats).nullable(),
  layout: z.enum(checkpointLayouts).nullable(),
  report: loadReportSchema.nullable(),
  /** Would it be imported as it is, strictly? */
  loads: z.boolean(),
  problems: z.array(problemSchema),
  parameters: count,
  tensors: z.array(z.strictObject({ name: z.string(), dtype: z.string(), shape: z.array(count), device: z.string() })),
  optimizer: z.strictObject({ kind: z.string(), step: count, tensors: count }).nullable(),
  /** What a training file says of itself. */
  facts: z.strictObject({ epoch: count.nullable(), arch: z.string().nullable(), bestAccuracy: z.number().nullable() }),
})
export type CheckpointInspection = z.output<typeof inspectionSchema>

const importSchema = z.strictObject({
  folder: path,
  bytes: count,
  /** Of the weights file in the folder. */
  sha256: z.string(),
  /** Of the file that was read. */
  sourceSha256: z.string(),
  epoch: count,
  step: count,
  hasOptimizer: z.boolean(),
  report: loadReportSchema,
})
export type ImportedCheckpoint = z.output<typeof importSchema>

const exportSchema = z.strictObject({ out: path, bytes: count, sha256: z.string(), format: z.enum(exportFormats) })
export type ExportedCheckpoint = z.output<typeof exportSchema>

const verificationSchema = z.strictObject({
  folder: path,
  intact: z.boolean(),
  files: z.array(
    z.strictObject({ name: z.string(), bytes: count, intact: z.boolean(), expected: z.string(), found: z.string() }),
  ),
})
export type CheckpointVerification = z.output<typeof verificationSchema>

const proofSchema = z.strictObject({
  checkpoint: z.string().nullable(),
  fromStep: count,
  toStep: count,
  devices: z.array(z.string()),
  /** Steps whose loss was compared, bit by bit. */
  lossesCompared: count,
  /** The run's checkpoint that the weights were compared with; null where there is none at `toStep`. */
  comparedWith: z.string().nullable(),
  tensorsCompared: count,
  matches: z.boolean(),
  firstDifference: z
    .strictObject({ what: z.string(), step: count, expected: z.number().nullable(), found: z.number().nullable() })
    .nullable(),
  /** Why the two could not be expected to agree, such as another instruction set; empty where they could. */
  caveats: z.array(z.string()),
})
export type CheckpointProof = z.output<typeof proofSchema>

const predictionsSchema = z.strictObject({
  images: z.array(
    z.strictObject({
      file: path,
      /** Likeliest first; null where the file cannot be decoded. */
      classes: z
        .array(z.strictObject({ class: count, name: z.string(), probability: z.number().min(0).max(1) }))
        .nullable(),
      /** Why it cannot be decoded; else null. */
      problem: z.string().nullable(),
    }),
  ),
})
export type ImagePredictions = z.output<typeof predictionsSchema>

export const checkpointAnswerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('PROGRESS'), doneBytes: count, ofBytes: count }),
  z.strictObject({ kind: z.literal('INSPECTED'), inspection: inspectionSchema }),
  z.strictObject({ kind: z.literal('IMPORTED'), imported: importSchema }),
  z.strictObject({ kind: z.literal('EXPORTED'), exported: exportSchema }),
  z.strictObject({ kind: z.literal('VERIFIED'), verification: verificationSchema }),
  z.strictObject({ kind: z.literal('PREDICTED'), predictions: predictionsSchema }),
  z.strictObject({ kind: z.literal('PROVED'), proof: proofSchema }),
  z.strictObject({
    kind: z.literal('FAILED'),
    code: z.string(),
    message: z.string(),
    fix: z.string(),
    /** Where a load was refused. */
    report: loadReportSchema.nullable(),
  }),
])
/** Any number of PROGRESS lines, then one other. */
export type CheckpointAnswer = z.output<typeof checkpointAnswerSchema>

/** @throws TrainqlError `INVALID_INPUT` */
export function parseCheckpointRequest(input: unknown): CheckpointRequest {
  return parseWith(checkpointRequestSchema, input, 'checkpoint request')
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseCheckpointAnswer(input: unknown): CheckpointAnswer {
  return parseWith(checkpointAnswerSchema, input, 'checkpoint answer')
}
