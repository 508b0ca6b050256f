// What a client asks for, turned into the spec to parse: defaults that depend on other fields, and one name a field.
import { TrainqlError } from '../../shared/errors.ts'
import type { Precision } from '../../shared/recipe.ts'
import type { CorruptImagePolicy } from '../../shared/augmentation.ts'
import type { CheckpointMetric, FullDiskPolicy } from '../../shared/checkpoint-policy.ts'
import type { Architecture, DeviceKind, EngineChoice, NonFinitePolicy } from '../../shared/run-spec.ts'
import { defaultLearningRate } from './recipe-defaults.ts'
import { type InitialFacts, initialiseOf, type InitialiseRequest } from './run-initialise.ts'
import {
  type AugmentationRequest,
  type Optional,
  optimizerOf,
  type OptimizerRequest,
  scheduleOf,
  type ScheduleRequest,
  withoutAbsent,
} from './recipe-request.ts'

export interface RunRequest {
  name?: Optional<string>
  architecture?: Optional<Architecture>
  dataset: string
  epochs?: Optional<number>
  globalBatch?: Optional<number>
  shards?: Optional<number>
  devices?: Optional<DevicesRequest>
  engine?: Optional<EngineChoice>
  optimizer?: Optional<OptimizerRequest>
  learningRate?: Optional<number>
  schedule?: Optional<ScheduleRequest>
  precision?: Optional<Precision>
  accumulationSteps?: Optional<number>
  syncBatchNorm?: Optional<boolean>
  clipNorm?: Optional<number>
  labelSmoothing?: Optional<number>
  augmentation?: Optional<AugmentationRequest>
  imageSize?: Optional<{ height: number; width: number }>
  onCorruptImage?: Optional<CorruptImagePolicy>
  seed?: Optional<bigint>
  trainImages?: Optional<number>
  validationImages?: Optional<number>
  onNonFinite?: Optional<NonFinitePolicy>
  initialise?: Optional<InitialiseRequest>
  checkpoints?: Optional<CheckpointPolicyRequest>
  priority?: Optional<number>
  retry?: Optional<RetryRequest>
}

export interface DevicesRequest {
  names?: Optional<string[]>
  count?: Optional<number>
  min?: Optional<number>
  max?: Optional<number>
  kind?: Optional<DeviceKind>
}

export interface RetryRequest {
  maxAttempts?: Optional<number>
  backoffSeconds?: Optional<number>
  unreachableSeconds?: Optional<number>
  stalledSeconds?: Optional<number>
}

export interface CheckpointPolicyRequest {
  everySteps?: Optional<number>
  keepLast?: Optional<number>
  keepBest?: Optional<{ metric: CheckpointMetric; count?: Optional<number> }>
  keepEvery?: Optional<number>
  onDiskFull?: Optional<FullDiskPolicy>
}

/**
 * The unparsed spec of a request, with the checkpoint it begins with; fields left out or null get the spec's own defaults.
 * @throws TrainqlError `INVALID_INPUT` for what only the request's form can get wrong.
 */
export function specOf(request: RunRequest, runId: string, initial: InitialFacts | null): Record<string, unknown> {
  const optimizer = request.optimizer ?? { kind: 'SGD' }
  const globalBatch = request.globalBatch ?? 256
  return withoutAbsent({
    runId,
    name: request.name,
    model: { architecture: request.architecture ?? 'RESNET18' },
    dataset: request.dataset,
    trainImages: request.trainImages,
    validationImages: request.validationImages,
    epochs: request.epochs ?? 1,
    globalBatch,
    shards: request.shards,
    devices: deviceRequestOf(request.devices),
    engine: request.engine,
    optimizer: optimizerOf(optimizer),
    learningRate: request.learningRate ?? defaultLearningRate(optimizer.kind, globalBatch),
    schedule: scheduleOf(request.schedule ?? { kind: 'CONSTANT' }),
    precision: request.precision,
    accumulationSteps: request.accumulationSteps,
    syncBatchNorm: request.syncBatchNorm,
    clipNorm: request.clipNorm,
    labelSmoothing: request.labelSmoothing,
    augmentation: request.augmentation,
    imageSize: request.imageSize,
    onCorruptImage: request.onCorruptImage,
    seed: seedOf(request.seed),
    onNonFinite: request.onNonFinite,
    initialise: initial === null ? null : initialiseOf(request.initialise ?? {}, initial),
    checkpoints: request.checkpoints,
    priority: request.priority,
    retry: request.retry,
  })
}

/** @throws TrainqlError `INVALID_INPUT` for names together with a count, and for a count together with its limits. */
export function deviceRequestOf(devices: RunRequest['devices']): unknown {
  const names = devices?.names ?? null
  const count = devices?.count ?? null
  const kind = devices?.kind ?? null
  const min = devices?.min ?? null
  const max = devices?.max ?? null
  if (count !== null && (min !== null || max !== null)) {
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'devices',
      message: `Expected a count, or the fewest and the most; got count ${count} and ${min === null ? `max ${max ?? ''}` : `min ${min}`}.`,
      fix: 'Give `count` alone, or `min` with `max`.',
    })
  }
  if (names === null) return { kind: 'COUNT', count: count ?? min ?? 1, max, deviceKind: kind ?? 'CPU' }
  if (count === null && kind === null && min === null && max === null) {
    if (names.length > 0) return { kind: 'NAMED', names }
    throw new TrainqlError({
      code: 'INVALID_INPUT',
      field: 'devices.names',
      message: 'Expected at least one device name; got none.',
      fix: 'Name a device, or give a count.',
    })
  }
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'devices',
    message: `Expected names or a count of a kind; got names and ${count === null && min === null && max === null ? 'a kind' : 'a count'}.`,
    fix: 'Give `names` alone, or `count` with `kind`.',
  })
}

function seedOf(seed: Optional<bigint>): number | undefined {
  if (seed === null || seed === undefined) return undefined
  if (seed >= 0n && seed <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(seed)
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: 'seed',
    message: `Expected a seed from 0 to ${Number.MAX_SAFE_INTEGER}; got ${seed}.`,
    fix: 'Use a seed in that range.',
  })
}
