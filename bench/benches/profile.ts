// `profile`: where the time of a training step goes, layer by layer, and what share of the machine's peak each reaches.
import { rowsOrReason, type Bench, type BenchOptions, type MeasuredRow, type Row } from '../bench.ts'
import { warnOfLoad, watchLoad } from '../load.ts'
import { describeMachine } from '../machine.ts'
import { carriedOut, medianProfile, partsOf } from '../profile/parts.ts'
import { median } from '../rounds.ts'
import { flopsPerStep, graphOf } from '../train/arithmetic.ts'
import { findCores, openField, type Field } from '../train/field.ts'
import { startOurs } from '../train/ours.ts'
import { askProfile, describeLayers, layersBelowPeak } from '../train/step-profile.ts'
import { comparisons, type TrainTask } from '../train/tasks.ts'
import { stepsAnswer, withWorkers } from '../worker.ts'
import { splitByPrecision } from './train.ts'

export const profile: Bench = {
  name: 'profile',
  description: "where a step's time goes by layer, and the share of the machine's peak; two one-core devices",
  rowNames: comparisons.map(({ name }) => name),
  run,
}

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  const wanted = comparisons.filter(({ name }) => options.rows.includes(name))
  const { possible, skipped } = splitByPrecision(wanted, describeMachine().isa)
  yield* skipped
  if (possible.length === 0) return
  // Asked before anything is measured: without the peak a share is no share.
  const field = openField(options, { cores: findCores(), wanted: () => [] })
  await field.peak()
  for (const task of possible) yield* await rowsOrReason([task.name], async () => [await measure(task, field)])
}

/** A round lasts about so long, at most `mostSteps`: what parameters without a gradient are owed is paid every 16th step. */
const roundSeconds = 2
const mostSteps = 16

async function measure(task: TrainTask, field: Field): Promise<MeasuredRow> {
  const { cores, rounds, note } = field
  const peaks = await field.peak()
  const peak = peaks[task.precision]
  const devicePeak = peak.flops / cores.length
  note(`profiling ${task.name}`)
  return withWorkers(async (open) => {
    const worker = await open(startOurs(task, [[cores[0]], [cores[1]]]))
    const { seconds } = await worker.ask({ steps: 3 }, stepsAnswer)
    const steps = Math.min(mostSteps, Math.max(1, Math.round(roundSeconds / median(seconds))))
    const load = watchLoad([worker], cores)
    const profiles = []
    for (let round = 1; round <= rounds; round += 1) profiles.push(await askProfile(worker, steps))
    const foreignLoad = warnOfLoad(load(), note)

    const graph = graphOf(task)
    const middle = medianProfile(profiles)
    const rate = (cores.length * carriedOut(middle)) / middle.stepSeconds
    return {
      name: task.name,
      status: 'measured',
      unit: 'GFLOP/s',
      ours: rate / 1e9,
      peer: peak.flops / 1e9,
      ratio: rate / peak.flops,
      value: null,
      bar: null,
      detail: {
        engine: `${worker.ready.engine} ${worker.ready.detail}`,
        peer: `PyTorch ${peaks.version}`,
        peakBy: `oneDNN product of ${peak.size}x${peak.size} in ${task.precision}, both cores`,
        globalBatch: task.globalBatch,
        shards: task.shards,
        devices: 2,
        rounds,
        stepsPerRound: steps,
        stepMs: middle.stepSeconds * 1000,
        imagesPerSecond: task.globalBatch / middle.stepSeconds,
        shareOfPeakAsDirect: flopsPerStep(task) / middle.stepSeconds / peak.flops,
        foreignLoad,
        furthestBelowPeak: describeLayers(layersBelowPeak(middle, graph, devicePeak).slice(0, 3)),
      },
      parts: partsOf(middle, graph, devicePeak),
    }
  })
}
