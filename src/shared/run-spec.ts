// The run spec (`spec.json`: what was asked, never changed) and the attempt (`attempt.<n>.json`: what one
// trainer process was given). Both are parsed here, once, at each edge that reads them.
import { z } from 'zod'
import { TrainqlError } from './errors.ts'

export const architectures = ['RESNET18', 'RESNET34', 'RESNET50', 'RESNET101', 'RESNET152'] as const
export type Architecture = (typeof architectures)[number]

export const engineChoices = ['AUTO', 'NATIVE', 'TFJS'] as const
export type EngineChoice = (typeof engineChoices)[number]

export const deviceKinds = ['CPU', 'CUDA'] as const
export type DeviceKind = (typeof deviceKinds)[number]

export const optimizerKinds = ['SGD', 'ADAM'] as const
export type OptimizerKind = (typeof optimizerKinds)[number]

export const scheduleKinds = ['CONSTANT'] as const
export type ScheduleKind = (typeof scheduleKinds)[number]

export const precisions = ['FP32', 'BF16'] as const
export type Precision = (typeof precisions)[number]

/** What a run does at a loss that is not finite: fail at the step, or go on. */
export const nonFinitePolicies = ['STOP', 'CONTINUE'] as const
export type NonFinitePolicy = (typeof nonFinitePolicies)[number]

export const defaultShards = 4

const positiveInt = z.number().int().positive()
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)

const optimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('SGD'),
    momentum: z.number().min(0).lt(1).default(0.9),
    weightDecay: z.number().min(0).default(0),
  }),
  z.strictObject({
    kind: z.literal('ADAM'),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.999),
    epsilon: z.number().positive().default(1e-8),
    /** L2 added to the gradient, as in torch.optim.Adam. */
    weightDecay: z.number().min(0).default(0),
  }),
])
export type OptimizerSpec = z.output<typeof optimizerSchema>

const scheduleSchema = z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('CONSTANT') })])
export type ScheduleSpec = z.output<typeof scheduleSchema>

const modelSchema = z.strictObject({ architecture: z.enum(architectures) })
export type ModelSpec = z.output<typeof modelSchema>

/** Named devices, or a count of a kind. */
const deviceRequestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('NAMED'), names: z.array(z.string().min(1)).min(1) }),
  z.strictObject({ kind: z.literal('COUNT'), count: positiveInt, deviceKind: z.enum(deviceKinds) }),
])
export type DeviceRequest = z.output<typeof deviceRequestSchema>

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
  schedule: scheduleSchema.default({ kind: 'CONSTANT' }),
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  onNonFinite: z.enum(nonFinitePolicies).default('STOP'),
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
  /** Checkpoint (name inside the run's `checkpoints/`) to continue from; null = from initial weights. */
  resumeFrom: z.strictObject({ name: z.string(), sha256 }).nullable().default(null),
})
export type Attempt = z.output<typeof attemptSchema>

/**
 * Parses what should be a run spec, applying defaults, and checks the rules that span fields: shards a power
 * of two that divides the global batch, device count a power of two not above shards, no device named twice.
 * @throws TrainqlError `INVALID_INPUT` naming the field, what was expected and what came.
 */
export function parseRunSpec(input: unknown): RunSpec {
  const spec = parseWith(runSpecSchema, input, 'run spec')
  checkShards(spec.globalBatch, spec.shards)
  if (spec.devices.kind === 'NAMED') {
    const { names } = spec.devices
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) {
      throw new TrainqlError({
        code: 'INVALID_INPUT',
        field: 'devices.names',
        message: `Expected each device once; "${twice}" is named more than once.`,
        fix: `Name ${twice} once.`,
      })
    }
  }
  checkDeviceCount(spec.devices.kind === 'NAMED' ? spec.devices.names.length : spec.devices.count, spec.shards)
  return spec
}

/** @throws TrainqlError `INVALID_INPUT` */
export function parseAttempt(input: unknown): Attempt {
  return parseWith(attemptSchema, input, 'attempt')
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
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'shards',
      message: `Expected shards to be a power of two; got ${shards}.`,
      fix: 'Use 1, 2, 4, 8 … shards.',
    })
  }
  if (globalBatch % shards !== 0) {
    const below = Math.floor(globalBatch / shards) * shards
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'globalBatch',
      message: `Expected a global batch that ${shards} shards divide evenly; got ${globalBatch}.`,
      fix: `Use a global batch of ${below > 0 ? `${below} or ` : ''}${below + shards}, or other shards.`,
    })
  }
}

/** @throws TrainqlError `INVALID_INPUT` unless `count` is one of `allowedDeviceCounts(shards)`. */
export function checkDeviceCount(count: number, shards: number): void {
  const allowed = allowedDeviceCounts(shards)
  if (allowed.includes(count)) return
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'devices',
    message: `Expected ${allowed.join(', ')} devices for ${shards} shards (a power of two, at most one per shard); got ${count}.`,
    fix: `Ask for ${allowed.join(', ')} devices, or raise shards.`,
  })
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value))
}

/** Runs a zod schema and turns its first issue into a TrainqlError. */
export function parseWith<T extends z.ZodType>(schema: T, input: unknown, what: string): z.output<T> {
  const result = schema.safeParse(input)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const field = issue?.path.join('.') ?? ''
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: field === '' ? undefined : field,
    message: `Invalid ${what}${field === '' ? '' : ` at "${field}"`}: ${issue?.message ?? 'unknown problem'}.`,
    fix: field === '' ? `Pass a valid ${what}.` : `Correct "${field}".`,
  })
}
