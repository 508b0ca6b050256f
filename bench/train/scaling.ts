// Two devices of one core beside one device of one core: the same batches and shards, the same weights in every bit.
import { BenchError, type BenchOptions, type MeasuredRow } from '../bench.ts'
import { peakMemoryBytes } from '../machine.ts'
import { median } from '../rounds.ts'
import { withWorkers } from '../worker.ts'
import type { Cores } from './field.ts'
import { measure, shared } from './measure.ts'
import { auditState, startOurs } from './ours.ts'
import { askProfile, partShares } from './step-profile.ts'
import type { TrainTask } from './tasks.ts'

/** @throws BenchError where the two end with different weights: the row is void then. */
export async function compareDevices(task: TrainTask, options: BenchOptions & { cores: Cores }): Promise<MeasuredRow> {
  const { cores } = options
  options.note(`${task.name}: two devices of one core against one`)
  return withWorkers(async (open) => {
    const two = await open(startOurs(task, [[cores[0]], [cores[1]]]))
    const one = await open(startOurs(task, [[cores[0]]]))
    const measured = await measure(task, [two, one], options)
    const [twoSeconds = [], oneSeconds = []] = measured.secondsPerStep
    const oursPeakBytes = peakMemoryBytes(two.pid)
    // The same seed, batches and number of steps in both: they must agree in every bit.
    const [twoState, oneState] = [await auditState(two), await auditState(one)]
    if (twoState !== oneState)
      throw new BenchError('Two devices and one ended with different weights: the row is void.')
    const profile = await askProfile(two)
    return {
      name: task.name,
      status: 'measured',
      unit: 'x',
      ours: null,
      peer: null,
      ratio: null,
      value: median(oneSeconds.map((time, round) => time / (twoSeconds[round] ?? Number.NaN))),
      bar: task.bar,
      detail: {
        engine: `${two.ready.engine} ${two.ready.detail}`,
        ...shared(task, measured),
        twoDevicesImagesPerSecond: task.globalBatch / median(twoSeconds),
        oneDeviceImagesPerSecond: task.globalBatch / median(oneSeconds),
        bitEqual: true,
        stateSha256: twoState,
        ...partShares(profile),
        oursPeakBytes,
      },
    }
  })
}
