// Measures workers in turn, so that whatever slows the machine down slows each side alike.
import { setTimeout as pause } from 'node:timers/promises'
import { BenchError } from './bench.ts'
import { usedSeconds, watchLoad } from './load.ts'
import { stepsAnswer, type Worker } from './worker.ts'

/** Long enough for a thread pool that spins after its last step to fall asleep. */
const settleMs = 30
/** One turn of one side lasts about this long, so that a single disturbance is a small part of it. */
const usualTurnSeconds = 1
const fewestSteps = 3
const mostStepsASecond = 32
/** A turn is made longer than usual for a period's sake, but not longer than this. */
const longestTurnSeconds = 6

export interface Rounds {
  /** Seconds a step, one for each round, in the order of the workers. */
  secondsPerStep: number[][]
  stepsPerTurn: number
  /** Share of the cores' time that other processes used during the measurement, 0 to 1. */
  foreignLoad: number
  /** Share of the cores' time that the sides used while it was not their turn, such as by spinning threads. */
  idleLoad: number
  /** The loss each worker saw last. */
  losses: number[]
}

export interface RoundsOptions {
  rounds: number
  cores: readonly number[]
  /** Something is done once in so many steps: turns are multiples of it, where that is not too long. Default 1. */
  period?: number
  /** About what a turn of the slowest lasts. Default 1. */
  turnSeconds?: number
  /** Called after each round with the seconds a step of each worker. */
  onRound: (round: number, secondsPerStep: readonly number[]) => void
}

/**
 * Every worker is alive throughout and trains the same number of steps in each round; who begins moves on by one
 * each round. A round's figure for a worker is the mean of its steps, so that what is not done in every step counts too.
 * @throws BenchError where a loss is not a finite number: such a figure would measure nothing.
 */
export async function measureRounds(
  workers: readonly Worker<unknown>[],
  { rounds, cores, period = 1, turnSeconds = usualTurnSeconds, onRound }: RoundsOptions,
): Promise<Rounds> {
  const slowest = Math.max(...(await warmUp(workers)))
  const stepsPerTurn = stepsOfTurn(slowest, { period, turnSeconds })
  const losses = workers.map(() => Number.NaN)
  const secondsPerStep: number[][] = workers.map(() => [])
  const usage = watchLoad(workers, cores)
  const idle = { seconds: 0, wall: 0 }
  for (let round = 0; round < rounds; round += 1) {
    const times: number[] = []
    for (let turn = 0; turn < workers.length; turn += 1) {
      const index = (round + turn) % workers.length
      const worker = workers[index] as Worker<unknown>
      const others = workers.filter((other) => other !== worker)
      await pause(settleMs)
      const [usedBefore, startedAt] = [usedSeconds(others), performance.now()]
      const { seconds, loss } = await worker.ask({ steps: stepsPerTurn }, stepsAnswer)
      idle.seconds += usedSeconds(others) - usedBefore
      idle.wall += ((performance.now() - startedAt) / 1000) * cores.length
      if (loss === null) throw new BenchError(`The loss of ${worker.name} is no finite number: the row is void.`)
      times[index] = seconds.reduce((sum, each) => sum + each, 0) / seconds.length
      losses[index] = loss
    }
    times.forEach((time, index) => secondsPerStep[index]?.push(time))
    onRound(round + 1, times)
  }
  return { secondsPerStep, stepsPerTurn, losses, foreignLoad: usage(), idleLoad: idle.seconds / idle.wall }
}

/** Steps that take about a turn's time where one takes so many seconds; whole periods where they are not too long. */
export function stepsOfTurn(
  secondsPerStep: number,
  { period, turnSeconds = usualTurnSeconds }: { period: number; turnSeconds?: number },
): number {
  const most = mostStepsASecond * turnSeconds
  const usual = Math.min(most, Math.max(fewestSteps, Math.ceil(turnSeconds / secondsPerStep)))
  const whole = Math.ceil(usual / period) * period
  return whole * secondsPerStep <= longestTurnSeconds ? whole : usual
}

/** One short turn each, which also tells how long a step is. */
async function warmUp(workers: readonly Worker<unknown>[]): Promise<number[]> {
  const times: number[] = []
  for (const worker of workers) times.push(median((await worker.ask({ steps: fewestSteps }, stepsAnswer)).seconds))
  return times
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle]
  if (upper === undefined) throw new RangeError('no values')
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** Half the distance between the quartiles as a share of the median. */
export function spread(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] as number
  return (at(0.75) - at(0.25)) / 2 / median(values)
}
