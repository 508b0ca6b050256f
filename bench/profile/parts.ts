// A training step taken apart: what each step of the engine's plan, and each part beside them, takes of it.
import type { PlanStepProfile, StepProfile } from '../../src/trainer/engine.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { layerNames } from '../../src/trainer/models/summary.ts'
import type { Detail } from '../bench.ts'
import { median } from '../rounds.ts'

/** Each figure's median over profiles of one session. */
export function medianProfile(profiles: readonly StepProfile[]): StepProfile {
  const [first] = profiles
  if (first === undefined) throw new RangeError('no profiles')
  const of = (figure: (profile: StepProfile) => number): number => median(profiles.map(figure))
  return {
    stepSeconds: of(({ stepSeconds }) => stepSeconds),
    gradientSeconds: of(({ gradientSeconds }) => gradientSeconds),
    waitingSeconds: of(({ waitingSeconds }) => waitingSeconds),
    updateSeconds: of(({ updateSeconds }) => updateSeconds),
    weightCopySeconds: of(({ weightCopySeconds }) => weightCopySeconds),
    steps: first.steps.map((step, index) => ({
      ...step,
      forwardSeconds: of(({ steps }) => steps[index]?.forwardSeconds ?? NaN),
      backwardSeconds: of(({ steps }) => steps[index]?.backwardSeconds ?? NaN),
    })),
  }
}

/** Floating-point operations that the first device carries out in a step: two a multiply-add. */
export function carriedOut({ steps }: StepProfile): number {
  return steps.reduce((sum, step) => sum + flopsOf(step), 0)
}

/**
 * One entry for each step of the plan, in its order, then the parts of a training step beside them. The shares of the step
 * add up to 1 but for what passes between two parts.
 * @param peakFlops of one device, a second
 */
export function partsOf(profile: StepProfile, graph: ModelGraph, peakFlops: number): Detail[] {
  const names = layerNames(graph)
  const { stepSeconds, gradientSeconds, waitingSeconds, updateSeconds, weightCopySeconds } = profile
  const planSteps = profile.steps.map((step): Detail => {
    const seconds = step.forwardSeconds + step.backwardSeconds
    const flops = flopsOf(step)
    return {
      part: names[step.layer] ?? '',
      kind: step.kind,
      forwardMs: step.forwardSeconds * 1000,
      backwardMs: step.backwardSeconds * 1000,
      ms: seconds * 1000,
      shareOfStep: seconds / stepSeconds,
      gflops: flops === 0 ? null : flops / seconds / 1e9,
      shareOfPeak: flops === 0 ? null : flops / seconds / peakFlops,
    }
  })
  const beside = (part: string, seconds: number): Detail => ({
    ...{ part, kind: null, forwardMs: null, backwardMs: null, ms: seconds * 1000, shareOfStep: seconds / stepSeconds },
    ...{ gflops: null, shareOfPeak: null },
  })
  const inPlan = profile.steps.reduce((sum, { forwardSeconds, backwardSeconds }) => {
    return sum + forwardSeconds + backwardSeconds
  }, 0)
  return [
    ...planSteps,
    // Medians are taken figure by figure: what is left over may come out below nothing.
    beside('images, loss, sums over shards', Math.max(0, gradientSeconds - inPlan)),
    beside('all-reduce and update', updateSeconds),
    beside('weight copies', weightCopySeconds),
    beside('waiting for the other device', waitingSeconds),
  ]
}

function flopsOf({ forwardProducts, backwardProducts }: PlanStepProfile): number {
  return 2 * (forwardProducts + backwardProducts)
}
