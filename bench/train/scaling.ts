// Two devices of one core beside one device of one core: the same batches and shards, the same weights in every bit.
import { BenchError, type BenchOptions, type Detail, type MeasuredRow } from '../bench.ts'
import { peakMemoryBytes } from '../machine.ts'
import { median } from '../rounds.ts'
import { withWorkers } from '../worker.ts'
import type { Cores } from './field.ts'
import { measure, shared } from './measure.ts'
import { auditState, startOurs } from './ours.ts'
import { askProfile, partShares } from './step-profile.ts'
import type { TrainTask } from './tasks.ts'

/**
 * How often both sides are started. One process differs from the next by some percent for all its life, by where its pages
 * lie, and one core from the other; so the single device stands on each core in turn.
 */
const starts = 4
/**
 * Longer than those of other rows: after the other side's turn nothing of a side's memory is in cache, and the first two steps
 * take a quarter and a tenth longer on two devices than the others, which no run of more than a second would notice.
 */
const turnSeconds = 4

interface Start {
  ratios: number[]
  twoSeconds: number[]
  oneSeconds: number[]
  foreignLoad: number
  detail: Detail
}

/** @throws BenchError where the two end with different weights: the row is void then. */
export async function compareDevices(task: TrainTask, options: BenchOptions & { cores: Cores }): Promise<MeasuredRow> {
  options.note(`${task.name}: two devices of one core against one`)
  const all: Start[] = []
  for (let start = 0; start < starts; start += 1) all.push(await compareOnce(task, options, start))
  const [{ detail }] = all as [Start]
  return {
    name: task.name,
    status: 'measured',
    unit: 'x',
    ours: null,
    peer: null,
    ratio: null,
    value: median(all.flatMap(({ ratios }) => ratios)),
    bar: task.bar,
    detail: {
      ...detail,
      foreignLoad: Math.max(...all.map(({ foreignLoad }) => foreignLoad)),
      starts,
      ofEachStart: all.map(({ ratios }) => median(ratios).toFixed(3)).join(', '),
      twoDevicesImagesPerSecond: task.globalBatch / median(all.flatMap(({ twoSeconds }) => twoSeconds)),
      oneDeviceImagesPerSecond: task.globalBatch / median(all.flatMap(({ oneSeconds }) => oneSeconds)),
      bitEqual: true,
    },
  }
}

async function compareOnce(task: TrainTask, options: BenchOptions & { cores: Cores }, start: number): Promise<Start> {
  const [first, second] = options.cores
  return withWorkers(async (open) => {
    const two = await open(startOurs(task, [[first], [second]]))
    const one = await open(startOurs(task, [[start % 2 === 0 ? first : second]]))
    const measured = await measure(task, [two, one], { ...options, turnSeconds })
    const [twoSeconds = [], oneSeconds = []] = measured.secondsPerStep
    const oursPeakBytes = peakMemoryBytes(two.pid)
    // The same seed, batches and number of steps in both: they must agree in every bit.
    const [twoState, oneState] = [await auditState(two), await auditState(one)]
    if (twoState !== oneState)
      throw new BenchError('Two devices and one ended with different weights: the row is void.')
    return {
      ratios: oneSeconds.map((time, round) => time / (twoSeconds[round] ?? Number.NaN)),
      twoSeconds,
      oneSeconds,
      foreignLoad: measured.foreignLoad,
      detail: {
        engine: `${two.ready.engine} ${two.ready.detail}`,
        ...shared(task, measured),
        stateSha256: twoState,
        ...partShares(await askProfile(two)),
        oursPeakBytes,
      },
    }
  })
}
