// Which algorithm each direction of a convolution gets, from what was timed.
import {
  convolutionDirections,
  type Algorithms,
  type ConvolutionAlgorithm,
  type ConvolutionDirection,
} from '../../src/trainer/engines/kernel-table.ts'

/** Seconds of one shard, each with its share of the weight copies that it needs. */
export type Timings = Record<ConvolutionDirection, ReadonlyMap<ConvolutionAlgorithm, number>>

export interface Choice {
  algorithms: Algorithms
  /** Seconds by the rule over seconds as chosen, all directions together. */
  gain: number
}

/** An algorithm must be quicker than the rule's by more than this to take its place: noise must not fill the table. */
export const hysteresis = 1.03

export function choose(rule: Algorithms, timings: Timings): Choice {
  const algorithms = { ...rule }
  let [byRule, chosen] = [0, 0]
  for (const direction of convolutionDirections) {
    const usual = secondsOf(timings, direction, rule[direction])
    let best = usual
    for (const [algorithm, seconds] of timings[direction]) {
      if (usual / seconds <= hysteresis || seconds >= best) continue
      best = seconds
      algorithms[direction] = algorithm
    }
    byRule += usual
    chosen += best
  }
  return { algorithms, gain: byRule / chosen }
}

function secondsOf(timings: Timings, direction: ConvolutionDirection, algorithm: ConvolutionAlgorithm): number {
  const seconds = timings[direction].get(algorithm)
  if (seconds === undefined) throw new RangeError(`${algorithm} was not timed for ${direction}`)
  return seconds
}
