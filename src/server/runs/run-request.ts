// What a client asks for, turned into the spec to parse: defaults that depend on other fields, and one name a field.
import { TrainqlError } from '../../shared/errors.ts'
import type { Architecture, DeviceKind, EngineChoice, NonFinitePolicy, OptimizerKind } from '../../shared/run-spec.ts'

type Optional<T> = T | null | undefined

export interface RunRequest {
  name?: Optional<string>
  architecture?: Optional<Architecture>
  dataset: string
  epochs?: Optional<number>
  globalBatch?: Optional<number>
  shards?: Optional<number>
  devices?: Optional<{ names?: Optional<string[]>; count?: Optional<number>; kind?: Optional<DeviceKind> }>
  engine?: Optional<EngineChoice>
  optimizer?: Optional<OptimizerRequest>
  learningRate?: Optional<number>
  seed?: Optional<bigint>
  trainImages?: Optional<number>
  validationImages?: Optional<number>
  onNonFinite?: Optional<NonFinitePolicy>
}

interface OptimizerRequest {
  kind: OptimizerKind
  momentum?: Optional<number>
  beta1?: Optional<number>
  beta2?: Optional<number>
  epsilon?: Optional<number>
  weightDecay?: Optional<number>
}

const defaultLearningRates: Record<OptimizerKind, number> = { SGD: 0.1, ADAM: 0.001 }

/**
 * The unparsed spec of a request; fields left out or null get the spec's own defaults.
 * @throws TrainqlError `INVALID_INPUT` for what only the request's form can get wrong.
 */
export function specOf(request: RunRequest, runId: string): unknown {
  const optimizer = request.optimizer ?? { kind: 'SGD' }
  return withoutAbsent({
    runId,
    name: request.name,
    model: { architecture: request.architecture ?? 'RESNET18' },
    dataset: request.dataset,
    trainImages: request.trainImages,
    validationImages: request.validationImages,
    epochs: request.epochs ?? 1,
    globalBatch: request.globalBatch ?? 256,
    shards: request.shards,
    devices: devicesOf(request.devices),
    engine: request.engine,
    optimizer: optimizerOf(optimizer),
    learningRate: request.learningRate ?? defaultLearningRates[optimizer.kind],
    seed: seedOf(request.seed),
    onNonFinite: request.onNonFinite,
  })
}

function devicesOf(devices: RunRequest['devices']): unknown {
  const names = devices?.names ?? null
  const count = devices?.count ?? null
  const kind = devices?.kind ?? null
  if (names === null) return { kind: 'COUNT', count: count ?? 1, deviceKind: kind ?? 'CPU' }
  if (count === null && kind === null) {
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
    message: `Expected names or a count of a kind; got names and ${count === null ? 'a kind' : 'a count'}.`,
    fix: 'Give `names` alone, or `count` with `kind`.',
  })
}

/** Refuses the other kind's settings by their own names, rather than as keys the spec does not know. */
function optimizerOf({ kind, ...settings }: OptimizerRequest): unknown {
  const foreign = kind === 'SGD' ? (['beta1', 'beta2', 'epsilon'] as const) : (['momentum'] as const)
  const given = foreign.find((name) => settings[name] !== null && settings[name] !== undefined)
  if (given === undefined) return withoutAbsent({ kind, ...settings })
  throw new TrainqlError({
    code: 'INVALID_INPUT',
    field: `optimizer.${given}`,
    message: `Expected settings of ${kind}; got ${given}, which it does not have.`,
    fix: `Leave ${given} out, or choose the other optimizer.`,
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

function withoutAbsent(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))
}
