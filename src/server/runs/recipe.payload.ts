// Optimiser and schedule of a spec as the GraphQL types show them: settings of other kinds are null.
import type { OptimizerSpec, ScheduleSpec } from '../../shared/recipe.ts'
import type { Optimizer, Schedule } from './recipe.type.ts'

const noOptimizerSettings = { momentum: null, nesterov: null, beta1: null, beta2: null, epsilon: null }
const noScheduleSettings = {
  warmUpSteps: null,
  stepEpochs: null,
  factor: null,
  minimum: null,
  startFactor: null,
  endFactor: null,
  peakShare: null,
}

export function optimizerPayload(optimizer: OptimizerSpec): Optimizer {
  return { ...noOptimizerSettings, ...optimizer }
}

export function schedulePayload(schedule: ScheduleSpec): Schedule {
  return { ...noScheduleSettings, ...schedule }
}
