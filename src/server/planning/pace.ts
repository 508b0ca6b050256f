// How fast a run is expected to be, told from runs that have been measured: pure. Nothing is told where none has.
import type { Expectation, PlanBasis } from '../../shared/run-plan.ts'
import { basisWords, unknownWords } from './basis-words.ts'
import type { Likeness, MeasuredRun, Place } from './measured-run.ts'
import type { Workload } from './workload.ts'

/** How a run goes on, from one step to the next. */
export interface Course {
  imagesPerSecond: Expectation
  /** Of an epoch. */
  validationSeconds: number
  /** Between epochs. */
  restSeconds: number
}

export interface Pace extends Course {
  /** From getting its devices to its first step. */
  startSeconds: number
  basis: PlanBasis
  /** The basis in words. */
  words: string
}

/** The latest: what was changed since, an engine or a machine, is soon told from itself. */
const mostRuns = 9
const fewRuns = 3

/** By how much what is measured next may lie beyond what has been. */
const spreads = { SAME: 1.1, SAME_FEW: 1.25, SCALED: 1.5, PROFILE: 2 }

/** Forward, of the three passes of a training step. */
const evaluationShare = 1 / 3

/** `measured`, the latest first. In words why not, where nothing can be told. */
export function expectPace(workload: Workload, place: Place, measured: readonly MeasuredRun[]): Pace | string {
  const comparable = measured.filter((run) => isComparable(run, workload, place))
  const alike = comparable.filter((run) => isSameModel(run.workload, workload))
  const same = alike.filter((run) => isSameSetting(run, workload, place))
  if (same.length > 0) return paceOf('SAME', same, { workload, place, alike })
  if (alike.length > 0) return paceOf('SCALED', alike, { workload, place, alike })
  const profiled = comparable.filter((run) => run.workload.flopsPerImage !== null)
  if (workload.flopsPerImage !== null && profiled.length > 0)
    return paceOf('PROFILE', profiled, { workload, place, alike: profiled })
  return unknownWords(workload, place)
}

/** Where the choice of the engine is left to the trainer, only runs that left it too tell which it will be. */
function isComparable({ workload, place, engine }: MeasuredRun, wanted: Workload, on: Place): boolean {
  const sameEngine =
    wanted.engineChoice === workload.engineChoice || wanted.engineChoice.toLowerCase() === engine.toLowerCase()
  return sameEngine && workload.precision === wanted.precision && place.kind === on.kind
}

function isSameModel(a: Workload, b: Workload): boolean {
  if (a.architecture !== b.architecture) return false
  if (a.image === null || b.image === null) return a.image === b.image && a.dataset === b.dataset
  return a.image.channels === b.image.channels && a.image.height === b.image.height && a.image.width === b.image.width
}

function isSameSetting({ workload: own, place }: MeasuredRun, wanted: Workload, on: Place): boolean {
  const sameBatch = own.globalBatch === wanted.globalBatch && own.shards === wanted.shards
  const samePlace = place.devices === on.devices && place.units === on.units
  return sameBatch && samePlace && own.syncBatchNorm === wanted.syncBatchNorm
}

interface Wanted {
  workload: Workload
  place: Place
  /** Runs of its model, whatever their batches and devices. */
  alike: readonly MeasuredRun[]
}

function paceOf(likeness: Likeness, runs: readonly MeasuredRun[], wanted: Wanted): Pace {
  const latest = runs.slice(0, mostRuns)
  const rates = latest.map((run) => run.imagesPerSecond * speedup(run, wanted))
  const expected = median(rates)
  const spread = likeness === 'SAME' && latest.length < fewRuns ? spreads.SAME_FEW : spreads[likeness]
  const validation = latest.flatMap((run) =>
    run.workload.validationImages === 0
      ? []
      : run.validationSeconds / run.workload.validationImages / speedup(run, wanted),
  )
  const secondsPerImage = validation.length > 0 ? median(validation) : evaluationShare / expected
  // A checkpoint takes its time whatever the batch and the devices.
  const rest = wanted.alike.flatMap(({ restSeconds }) => restSeconds ?? []).slice(0, mostRuns)
  return {
    imagesPerSecond: { expected, low: Math.min(...rates) / spread, high: Math.max(...rates) * spread },
    validationSeconds: secondsPerImage * wanted.workload.validationImages,
    startSeconds: median(latest.map(({ startSeconds }) => startSeconds)),
    restSeconds: rest.length > 0 ? median(rest) : 0,
    basis: likeness === 'PROFILE' ? 'PROFILE' : 'PAST_RUNS',
    words: basisWords(likeness, { ...wanted, runs: latest.length, flopsPerSecond: median(latest.map(flopsPerSecond)) }),
  }
}

/** On each core or GPU. */
function flopsPerSecond({ imagesPerSecond, workload, place }: MeasuredRun): number {
  return (imagesPerSecond * (workload.flopsPerImage ?? 0)) / place.units
}

/** How much faster than a measured run: as many FLOPs a second on each core or GPU, whatever the batch. */
function speedup(run: MeasuredRun, { workload, place }: Pick<Wanted, 'workload' | 'place'>): number {
  const units = place.units / run.place.units
  if (run.workload.flopsPerImage === null || workload.flopsPerImage === null) return units
  // Equal for the same model on the same images.
  return units * (run.workload.flopsPerImage / workload.flopsPerImage)
}

/** What of a run is still to be done. */
export interface Remainder {
  steps: number
  /** Epochs that have not come to their end. */
  epochs: number
  globalBatch: number
}

/** From one step to its end. */
export function remainingSeconds(course: Course, left: Remainder): Expectation {
  const { expected, low, high } = course.imagesPerSecond
  const computing = (left.steps * left.globalBatch) / expected + left.epochs * course.validationSeconds
  const rest = left.epochs * course.restSeconds
  return {
    expected: computing + rest,
    low: computing * (expected / high) + rest,
    high: computing * (expected / low) + rest,
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  const upper = sorted[Math.floor(middle)] ?? 0
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + upper) / 2 : upper
}
