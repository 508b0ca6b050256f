// The learning rate and the warm-up of a run whose maker left them out; the run's spec holds what came of it.
import { type OptimizerKind, outlastsRun } from '../../shared/recipe.ts'
import { stepsPerEpoch } from '../../shared/run-plan.ts'
import type { RunSpec } from '../../shared/run-spec.ts'
import { isAbsent, type Optional, type ScheduleRequest } from './recipe-request.ts'

/**
 * SGD's follows the global batch, 0.1 x globalBatch / 256 (the linear scaling rule of Goyal et al. 2017,
 * arXiv:1706.02677); Adam's and AdamW's are those of torch.optim.
 */
export function defaultLearningRate(kind: OptimizerKind, globalBatch: number): number {
  // Divided once, the rate of 96 images is 0.0375 and not 0.037500000000000006.
  return kind === 'SGD' ? globalBatch / 2560 : 0.001
}

interface RateRequest {
  learningRate?: Optional<number>
  schedule?: Optional<ScheduleRequest>
}

type Sized = Pick<RunSpec, 'trainImages' | 'globalBatch' | 'epochs'>

/** A tenth of the run; of a long one the five epochs of Goyal et al. */
export function defaultWarmUp(spec: Sized, dataset: { trainImages: number }): number {
  const epochSteps = stepsPerEpoch(spec, dataset)
  return Math.min(Math.floor((spec.epochs * epochSteps) / 10), 5 * epochSteps)
}

/** The spec of a request on its dataset: SGD of which neither rate nor schedule was asked for warms up. */
export function withDefaultWarmUp(spec: RunSpec, request: RateRequest, dataset: { trainImages: number }): RunSpec {
  const isNamed = !isAbsent(request.learningRate) || !isAbsent(request.schedule)
  if (isNamed || spec.optimizer.kind !== 'SGD') return spec
  return { ...spec, schedule: { kind: 'CONSTANT', warmUpSteps: defaultWarmUp(spec, dataset) } }
}

/** A warm-up that was taken over with another run's schedule, and for which this run is too short, gets its default. */
export function withFittingWarmUp(spec: RunSpec, dataset: { trainImages: number }): RunSpec {
  const { schedule } = spec
  if (!outlastsRun(schedule, spec.epochs * stepsPerEpoch(spec, dataset))) return spec
  return { ...spec, schedule: { ...schedule, warmUpSteps: defaultWarmUp(spec, dataset) } }
}
