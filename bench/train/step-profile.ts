// Where the time of our step goes: what the all-reduce with its update takes, and which layers fall furthest below the peak.
import { z } from 'zod'
import type { StepProfile } from '../../src/trainer/engine.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { layerNames } from '../../src/trainer/models/summary.ts'
import type { Detail } from '../bench.ts'
import { percent } from '../report.ts'
import type { Worker } from '../worker.ts'
import type { OursReady } from './ours.ts'

const figure = z.number()
const profileAnswer = z
  .object({
    profile: z.object({
      stepSeconds: figure,
      gradientSeconds: figure,
      waitingSeconds: figure,
      updateSeconds: figure,
      weightCopySeconds: figure,
      steps: z.array(
        z.object({
          layer: figure,
          kind: z.string(),
          forwardSeconds: figure,
          backwardSeconds: figure,
          forwardProducts: figure,
          backwardProducts: figure,
        }),
      ),
    }),
  })
  .transform(({ profile }) => profile)

const usualSteps = 10

/** Ask last: the steps that it times move optimiser state and running statistics on. */
export function askProfile(worker: Worker<OursReady>, steps = usualSteps): Promise<StepProfile> {
  return worker.ask({ profile: steps }, profileAnswer)
}

/** Shares of a step on the first device. */
export function partShares(profile: StepProfile): Detail {
  const { stepSeconds, updateSeconds, weightCopySeconds, waitingSeconds } = profile
  return {
    updateShare: updateSeconds / stepSeconds,
    weightCopyShare: weightCopySeconds / stepSeconds,
    waitingShare: waitingSeconds / stepSeconds,
  }
}

export interface LayerShare {
  name: string
  kind: string
  /** Of the peak of the first device's core: multiply-adds that are really carried out. */
  shareOfPeak: number
  shareOfStep: number
}

/** What takes less of the step than this is no place to look at. */
const worthLooking = 0.01

/**
 * Layers of products, forward and backward together, the one furthest below the peak first.
 * @param peakFlops of one core, in operations a second; a multiply-add is two
 */
export function layersBelowPeak(profile: StepProfile, graph: ModelGraph, peakFlops: number): LayerShare[] {
  const names = layerNames(graph)
  return profile.steps
    .map(({ layer, kind, forwardSeconds, backwardSeconds, forwardProducts, backwardProducts }) => {
      const seconds = forwardSeconds + backwardSeconds
      const flops = 2 * (forwardProducts + backwardProducts)
      const shares = { shareOfPeak: flops / seconds / peakFlops, shareOfStep: seconds / profile.stepSeconds }
      return { name: names[layer] ?? '', kind, ...shares }
    })
    .filter(({ shareOfPeak, shareOfStep }) => shareOfPeak > 0 && shareOfStep >= worthLooking)
    .toSorted((a, b) => a.shareOfPeak - b.shareOfPeak)
}

export function describeLayers(layers: readonly LayerShare[]): string {
  return layers
    .map(({ name, kind, shareOfPeak, shareOfStep }) => {
      return `${name} (${kind}) ${percent(shareOfPeak)} of peak in ${percent(shareOfStep)} of the step`
    })
    .join(', ')
}
