// The run spec (`spec.json`: what was asked, never changed) and the attempt (`attempt.<n>.json`: what one
// trainer process was given). Both are parsed here, once, at each edge that reads them.
import { z } from 'zod'
import {
  augmentationSchema,
  checkAugmentation,
  checkAugmentationSize,
  corruptImagePolicies,
  imageSizeSchema,
} from './augmentation.ts'
import { checkpointPolicySchema } from './checkpoint-policy.ts'
import { invalidInput } from './errors.ts'
import { parseWith } from './parse-with.ts'
import { checkRecipe, optimizerSchema, precisions, scheduleSchema } from './recipe.ts'

export type { AugmentationSpec, CorruptImagePolicy, ImageSize } from './augmentation.ts'
export type { CheckpointMetric, CheckpointPolicy, FullDiskPolicy } from './checkpoint-policy.ts'
export type { OptimizerKind, OptimizerSpec, Precision, ScheduleKind, ScheduleSpec } from './recipe.ts'

export const architectures = ['RESNET18', 'RESNET34', 'RESNET50', 'RESNET101', 'RESNET152'] as const
export type Architecture = (typeof architectures)[number]

export const engineChoices = ['AUTO', 'NATIVE', 'TFJS'] as const
export type EngineChoice = (typeof engineChoices)[number]

export const deviceKinds = ['CPU', 'CUDA'] as const
export type DeviceKind = (typeof deviceKinds)[number]

/** What a run does at a loss that is not finite: fail at the step, or go on. */
export const nonFinitePolicies = ['STOP', 'CONTINUE'] as const
export type NonFinitePolicy = (typeof nonFinitePolicies)[number]

export const defaultShards = 4

const positiveInt = z.number().int().positive()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const modelSchema = z.strictObject({ architecture: z.enum(architectures) })
export type ModelSpec = z.output<typeof modelSchema>

export const stemAdaptations = ['AS_IS', 'SUM_CHANNELS'] as const
export type StemAdaptation = (typeof stemAdaptations)[number]

/** Where the weights before the first step come from. */
const initialiseSchema = z.discriminatedUnion('kind', [
  /** Drawn from the seed, as torchvision draws them. */
  z.strictObject({ kind: z.literal('RANDOM') }),
  z.strictObject({
    kind: z.literal('CHECKPOINT'),
    /** `<run id>/<name>` of a run's checkpoint, `imported/<id>` of an imported one. */
    checkpoint: z.string().regex(/^[^/\s]+\/[^/\s]+$/, 'Expected a reference such as imported/<id> or <run id>/<name>'),
    /** Of its weights file. */
    sha256,
    /** Also take the optimiser's state. */
    optimizer: z.boolean().default(false),
    /** Layers, or prefixes of layers, that get fresh weights, such as `conv1`, `fc`, `layer4`. */
    reinitialise: z.array(z.string().min(1)).default([]),
    /** SUM_CHANNELS: a stem of several input channels is summed to the one channel that the dataset has. */
    stem: z.enum(stemAdaptations).default('AS_IS'),
  }),
])
export type InitialiseSpec = z.output<typeof initialiseSchema>

/** Named devices, or a count of a kind. */
export const deviceRequestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('NAMED'), names: z.array(z.string().min(1)).min(1) }),
  z.strictObject({
    kind: z.literal('COUNT'),
    /** The fewest it starts with. */
    count: positiveInt,
    /** The most it takes where they are free; null: `count` exactly. */
    max: positiveInt.nullable().default(null),
    deviceKind: z.enum(deviceKinds),
  }),
])
export type DeviceRequest = z.output<typeof deviceRequestSchema>

export const priorityRange = { lowest: -1000, highest: 1000 } as const

/** What is done about an attempt that ended by what may pass: a killed trainer, a full disk, a machine that went silent. */
const retrySchema = z.strictObject({
  /** Trainers started without a user's asking again, the first included. */
  maxAttempts: positiveInt.max(100).default(1),
  /** Before the first new attempt; twice as long before each next one. */
  backoffSeconds: z.number().min(0).max(86_400).default(10),
  /** A trainer that is silent for so long is given up. */
  unreachableSeconds: z
    .number()
    .positive()
    .max(7 * 86_400)
    .default(600),
  /** A replica that does not move for so long ends the attempt; null: it is only told of. */
  stalledSeconds: z.number().positive().max(86_400).nullable().default(null),
})
export type RetryPolicy = z.output<typeof retrySchema>

export const runSpecSchema = z.strictObject({
  formatVersion: z.literal(1).default(1),
  runId: z.string().min(1),
  name: z.string().min(1).max(200).nullable().default(null),
  model: modelSchema,
  /** Dataset name, such as `fashion-mnist` or the built-in `shapes`. */
  dataset: z.string().min(1),
  /** Use only the first n images of the (seeded) order; null = all. */
  trainImages: positiveInt.nullable().default(null),
  validationImages: positiveInt.nullable().default(null),
  epochs: positiveInt.max(100_000),
  globalBatch: positiveInt.max(65_536),
  shards: positiveInt.max(1024).default(defaultShards),
  devices: deviceRequestSchema,
  engine: z.enum(engineChoices).default('AUTO'),
  optimizer: optimizerSchema,
  learningRate: z.number().positive(),
  schedule: scheduleSchema.prefault({ kind: 'CONSTANT' }),
  /** Each device takes its shards in so many turns: the session has `shards * accumulationSteps` of them. */
  accumulationSteps: positiveInt.max(1024).default(1),
  precision: z.enum(precisions).default('FP32'),
  /** Batch-norm statistics over the global batch rather than a shard. */
  syncBatchNorm: z.boolean().default(false),
  /** Largest norm of the whole gradient, as in torch.nn.utils.clip_grad_norm_; null: no limit. */
  clipNorm: z.number().positive().nullable().default(null),
  /** Share of the target spread evenly over all classes; training only. */
  labelSmoothing: z.number().min(0).lt(1).default(0),
  augmentation: augmentationSchema.nullable().default(null),
  /** Null: the dataset's own. */
  imageSize: imageSizeSchema.nullable().default(null),
  onCorruptImage: z.enum(corruptImagePolicies).default('FAIL'),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  initialise: initialiseSchema.prefault({ kind: 'RANDOM' }),
  onNonFinite: z.enum(nonFinitePolicies).default('STOP'),
  checkpoints: checkpointPolicySchema.prefault({}),
  /** Of two queued runs the one of higher priority is served first; of equal ones the older. */
  priority: z.number().int().min(priorityRange.lowest).max(priorityRange.highest).default(0),
  retry: retrySchema.prefault({}),
  /** The run that this one was made from, and which of its checkpoints. */
  forkedFrom: z
    .strictObject({ runId: z.string().min(1), checkpoint: z.string().min(1).nullable() })
    .nullable()
    .default(null),
})
export type RunSpec = z.output<typeof runSpecSchema>

const assignedDeviceSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('CPU'), name: z.string(), cores: z.array(z.number().int().min(0)).min(1) }),
  z.strictObject({ kind: z.literal('CUDA'), name: z.string(), uuid: z.string() }),
])
/** A device as leased to one attempt. `cores` are operating-system core numbers. */
export type AssignedDevice = z.output<typeof assignedDeviceSchema>

export const attemptSchema = z.strictObject({
  formatVersion: z.literal(1).default(1),
  runId: z.string().min(1),
  attempt: positiveInt,
  devices: z.array(assignedDeviceSchema).min(1),
  /** Folders searched for datasets, in order. */
  datasetRoots: z.array(z.string()),
  /** Folder for decoded images, shared by runs; null = the run directory's own `cache/`. */
  cacheFolder: z.string().min(1).nullable().default(null),
  /** Checkpoint (name inside the run's `checkpoints/`) to continue from; null = from initial weights. */
  resumeFrom: z.strictObject({ name: z.string(), sha256 }).nullable().default(null),
  /** Where on this machine the checkpoint lies that the spec says to initialise from. */
  initialFrom: z.string().min(1).nullable().default(null),
  /** Up to which of its events the attempt before counts; null: there is none. */
  fence: z
    .strictObject({ attempt: positiveInt, seq: z.number().int().min(0) })
    .nullable()
    .default(null),
  /**
   * The run's checkpoints that count. What an earlier attempt wrote that is not among them came behind its fence, or was
   * never told of. Null: not known, all count.
   */
  checkpoints: z.array(z.string()).nullable().default(null),
})
export type Attempt = z.output<typeof attemptSchema>

/**
 * Parses what should be a run spec, applying defaults, and checks the rules that span fields: shards and accumulation
 * powers of two that divide the global batch, device count a power of two not above shards, no device named twice,
 * an engine for the precision, a recipe, an initialisation and an augmentation without contradictions.
 * @throws TrainqlError `INVALID_INPUT` naming the field, what was expected and what came.
 */
export function parseRunSpec(input: unknown): RunSpec {
  const spec = parseWith(runSpecSchema, input, 'run spec')
  checkShards(spec.globalBatch, spec.shards)
  checkAccumulation(spec)
  checkDevices(spec.devices, spec.shards)
  checkRecipe(spec)
  if (spec.precision === 'BF16' && spec.engine === 'TFJS') {
    throw invalidInput({
      field: 'precision',
      message: 'Expected precision FP32 for the engine TFJS; got BF16.',
      fix: 'Choose the engine NATIVE or AUTO, or precision FP32.',
    })
  }
  checkInitialise(spec.initialise)
  if (spec.augmentation !== null) checkAugmentation(spec.augmentation)
  if (spec.imageSize !== null) checkAugmentationSize(spec.augmentation, spec.imageSize)
  return spec
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseAttempt(input: unknown): Attempt {
  return parseWith(attemptSchema, input, 'attempt')
}

/** Shards a session of this run computes: each is a leaf of the gradient tree, and has its own batch norm. */
export function sessionShards({ shards, accumulationSteps }: Pick<RunSpec, 'shards' | 'accumulationSteps'>): number {
  return shards * accumulationSteps
}

/** The device counts a run with this many shards may use: 1, 2, 4 … shards. */
export function allowedDeviceCounts(shards: number): number[] {
  const counts: number[] = []
  for (let count = 1; count <= shards; count *= 2) counts.push(count)
  return counts
}

/** @throws TrainqlError `INVALID_INPUT` unless `shards` is a power of two that divides the global batch. */
export function checkShards(globalBatch: number, shards: number): void {
  if (!isPowerOfTwo(shards)) {
    throw invalidInput({
      field: 'shards',
      message: `Expected shards to be a power of two; got ${shards}.`,
      fix: 'Use 1, 2, 4, 8 … shards.',
    })
  }
  checkDivides(globalBatch, { parts: shards, what: `${shards} shards`, others: 'other shards' })
}

/** @throws TrainqlError `INVALID_INPUT` unless `count` is one of `allowedDeviceCounts(shards)`. */
export function checkDeviceCount(count: number, shards: number): void {
  const allowed = allowedDeviceCounts(shards)
  if (allowed.includes(count)) return
  throw invalidInput({
    field: 'devices',
    message: `Expected ${allowed.join(', ')} devices for ${shards} shards (a power of two, at most one per shard); got ${count}.`,
    fix: `Ask for ${allowed.join(', ')} devices, or raise shards.`,
  })
}

function checkDevices(devices: DeviceRequest, shards: number): void {
  if (devices.kind === 'COUNT') return checkDeviceRange(devices, shards)
  const { names } = devices
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw invalidInput({
      field: 'devices.names',
      message: `Expected each device once; "${twice}" is named more than once.`,
      fix: `Name ${twice} once.`,
    })
  }
  checkDeviceCount(names.length, shards)
}

function checkDeviceRange({ count, max }: { count: number; max: number | null }, shards: number): void {
  checkDeviceCount(count, shards)
  if (max === null) return
  if (max < count) {
    throw invalidInput({
      field: 'devices',
      message: `Expected a largest number of devices that is not below the smallest, ${count}; got ${max}.`,
      fix: `Use a largest number of ${count} or more.`,
    })
  }
  checkDeviceCount(max, shards)
}

function checkAccumulation({ globalBatch, shards, accumulationSteps, syncBatchNorm }: RunSpec): void {
  if (accumulationSteps === 1) return
  if (!isPowerOfTwo(accumulationSteps)) {
    throw invalidInput({
      field: 'accumulationSteps',
      message: `Expected accumulationSteps to be a power of two; got ${accumulationSteps}.`,
      fix: 'Use 1, 2, 4, 8 … steps.',
    })
  }
  if (syncBatchNorm) {
    throw invalidInput({
      field: 'accumulationSteps',
      message: `Expected accumulationSteps of 1 with syncBatchNorm, which needs all shards at once; got ${accumulationSteps}.`,
      fix: 'Leave out syncBatchNorm or accumulationSteps.',
    })
  }
  checkDivides(globalBatch, {
    parts: shards * accumulationSteps,
    what: `${shards} shards in ${accumulationSteps} accumulation steps`,
    others: 'fewer accumulation steps',
  })
}

/** A state that belongs to other weights is none: each of its tensors speaks of the parameter it was made for. */
function checkInitialise(initialise: InitialiseSpec): void {
  if (initialise.kind === 'RANDOM' || !initialise.optimizer) return
  if (initialise.reinitialise.length === 0 && initialise.stem === 'AS_IS') return
  throw invalidInput({
    field: 'initialise.optimizer',
    message: "Expected every weight as the checkpoint has it where its optimiser's state is taken too.",
    fix: 'Leave out optimizer, or reinitialise and stem.',
  })
}

interface Parts {
  parts: number
  what: string
  others: string
}

function checkDivides(globalBatch: number, { parts, what, others }: Parts): void {
  if (globalBatch % parts === 0) return
  const below = Math.floor(globalBatch / parts) * parts
  throw invalidInput({
    field: 'globalBatch',
    message: `Expected a global batch that ${what} divide evenly; got ${globalBatch}.`,
    fix: `Use a global batch of ${below > 0 ? `${below} or ` : ''}${below + parts}, or ${others}.`,
  })
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value))
}
