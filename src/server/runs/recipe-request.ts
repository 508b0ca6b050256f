// What a client asks for of a recipe, turned into what the run spec parses.
import { invalidInput } from '../../shared/errors.ts'
import type { OptimizerKind, ScheduleKind } from '../../shared/recipe.ts'

export type Optional<T> = T | null | undefined

export interface OptimizerRequest {
  kind: OptimizerKind
  momentum?: Optional<number>
  nesterov?: Optional<boolean>
  beta1?: Optional<number>
  beta2?: Optional<number>
  epsilon?: Optional<number>
  weightDecay?: Optional<number>
  decayVectors?: Optional<boolean>
}

export interface ScheduleRequest {
  kind: ScheduleKind
  warmUpSteps?: Optional<number>
  stepEpochs?: Optional<number>
  factor?: Optional<number>
  minimum?: Optional<number>
  startFactor?: Optional<number>
  endFactor?: Optional<number>
  peakShare?: Optional<number>
}

export interface AugmentationRequest {
  randomCrop?: Optional<{ padding?: Optional<number> }>
  randomResizedCrop?: Optional<{
    minScale?: Optional<number>
    maxScale?: Optional<number>
    minRatio?: Optional<number>
    maxRatio?: Optional<number>
  }>
  horizontalFlip?: Optional<boolean>
  cutout?: Optional<{ size: number }>
}

type Settings<T> = readonly Exclude<keyof T, 'kind'>[]

const adamSettings = ['beta1', 'beta2', 'epsilon', 'weightDecay', 'decayVectors'] as const
const optimizerSettings: Record<OptimizerKind, Settings<OptimizerRequest>> = {
  SGD: ['momentum', 'nesterov', 'weightDecay', 'decayVectors'],
  ADAM: adamSettings,
  ADAMW: adamSettings,
}
const scheduleSettings: Record<ScheduleKind, Settings<ScheduleRequest>> = {
  CONSTANT: ['warmUpSteps'],
  STEP: ['stepEpochs', 'factor', 'warmUpSteps'],
  COSINE: ['minimum', 'warmUpSteps'],
  ONE_CYCLE: ['startFactor', 'endFactor', 'peakShare'],
}

/** @throws TrainqlError `INVALID_INPUT` where a setting is of another kind. */
export function optimizerOf(optimizer: OptimizerRequest): unknown {
  return ofKind(optimizer, { field: 'optimizer', settings: optimizerSettings })
}

/** @throws TrainqlError `INVALID_INPUT` where a setting is of another kind, or STEP has no length. */
export function scheduleOf(schedule: ScheduleRequest): unknown {
  if (schedule.kind === 'STEP' && isAbsent(schedule.stepEpochs)) {
    throw invalidInput({
      field: 'schedule.stepEpochs',
      message: 'Expected stepEpochs for STEP; got none.',
      fix: 'Say after how many epochs the learning rate falls, such as 30.',
    })
  }
  return ofKind(schedule, { field: 'schedule', settings: scheduleSettings })
}

/** The fields that are there, at every depth; a field left out or null gets the spec's default. */
export function withoutAbsent(fields: object): Record<string, unknown> {
  const present = Object.entries(fields).filter(([, value]) => !isAbsent(value))
  return Object.fromEntries(
    present.map(([name, value]: [string, unknown]) => [name, isNested(value) ? withoutAbsent(value) : value]),
  )
}

interface Kinds<K extends string> {
  field: string
  settings: Record<K, readonly string[]>
}

/** Refuses another kind's settings by their own names, rather than as keys the spec does not know. */
function ofKind<K extends string>(request: { kind: K }, { field, settings }: Kinds<K>): unknown {
  const { kind, ...rest } = request
  const given = withoutAbsent(rest)
  const foreign = Object.keys(given).find((name) => !settings[kind].includes(name))
  if (foreign === undefined) return { kind, ...given }
  throw invalidInput({
    field: `${field}.${foreign}`,
    message: `Expected settings of ${kind} (${settings[kind].join(', ')}); got ${foreign}, which it does not have.`,
    fix: `Leave ${foreign} out, or choose another kind of ${field}.`,
  })
}

export function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
