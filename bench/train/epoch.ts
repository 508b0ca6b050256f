// One whole epoch of Fashion-MNIST: ours through the trainer as a user gets it, PyTorch's through its DataLoader.
import { z } from 'zod'
import type { TrainerEvent } from '../../src/shared/events.ts'
import { BenchError, type Detail, type MeasuredRow } from '../bench.ts'
import { quietShare, warnOfLoad, watchLoad } from '../load.ts'
import { percent } from '../report.ts'
import { median } from '../rounds.ts'
import { startWorker, stepsAnswer, withWorkers, type Worker } from '../worker.ts'
import type { Field } from './field.ts'
import { describe, peerTask, pythonCommand } from './pytorch.ts'
import { finalists } from './qualify.ts'
import { recipe, type EpochTask } from './tasks.ts'
import { findFashionMnist, runTrainer } from './trainer-run.ts'

/** Loading is tried for so many steps in each way; the first of them, where workers start, do not count. */
const triedSteps = 24
const settledSteps = 4
const epochWithinMs = 600_000

/** Our epochs before and after PyTorch's, so that a drift of the machine meets both; their mean counts. */
export async function measureEpoch(task: EpochTask, field: Field): Promise<MeasuredRow> {
  const data = findFashionMnist()
  const [variant] = finalists(await field.qualified(task), [task.precision])
  if (variant === undefined) throw new BenchError('No variant of PyTorch could train this task.')
  const { cores, python, note } = field
  note(`${task.name}: an epoch, ours, PyTorch's, and ours again`)
  const ours = async () => {
    const spec = { ...specOf(task), dataset: data.dataset }
    const devices = [[cores[0]], [cores[1]]]
    const epoch = epochOf(await runTrainer({ spec, devices, dataRoots: data.dataRoots }), task)
    note(`  ours: ${epoch.trainSeconds.toFixed(2)} s`)
    return epoch
  }
  const before = await ours()
  const peer = await withWorkers(async (open) => {
    const input = { task: peerTask(task), cores, folder: data.folder, variant, augment: task.augment }
    const command = { name: 'PyTorch', ...pythonCommand('epoch.py', input, { python, tcmalloc: variant.tcmalloc }) }
    const worker = await open(startWorker({ ...command, readyWithinMs: epochWithinMs }, readySchema))
    const loader = await bestLoader(worker, task, note)
    const load = watchLoad([worker], cores)
    const { seconds } = await worker.ask({ loader, steps: null }, stepsAnswer, { withinMs: epochWithinMs })
    // Counts processes that read for it as others.
    const foreignLoad = loader.workers === 0 ? warnOfLoad(load(), note) : load()
    note(`  PyTorch: ${(seconds[0] ?? Number.NaN).toFixed(2)} s`)
    return { seconds: seconds[0] ?? Number.NaN, loader, version: worker.ready.version, foreignLoad }
  })
  const after = await ours()
  const oursSeconds = (before.trainSeconds + after.trainSeconds) / 2
  const apart = Math.abs(before.trainSeconds - after.trainSeconds) / oursSeconds
  if (apart > quietShare) note(`  ! our two epochs are ${percent(apart)} apart: repeat on a quiet machine`)
  return {
    name: task.name,
    status: 'measured',
    unit: 's',
    ours: oursSeconds,
    peer: peer.seconds,
    ratio: peer.seconds / oursSeconds,
    value: null,
    bar: task.bar,
    detail: {
      engine: before.engine,
      peer: `PyTorch ${peer.version}`,
      peerSettings: `${describe(variant)}, ${variant.optimizer} SGD`,
      loader: describeLoader(peer.loader),
      globalBatch: task.globalBatch,
      shards: task.shards,
      images: before.images,
      augmentation: task.augment === null ? 'none' : `crop after padding by ${task.augment.padding}, flip`,
      peerForeignLoad: peer.foreignLoad,
      oursFirstSeconds: before.trainSeconds,
      oursSecondSeconds: after.trainSeconds,
      oursWithValidationSeconds: (before.wallSeconds + after.wallSeconds) / 2,
      oursIdleShare: (before.idleShare + after.idleShare) / 2,
    } satisfies Detail,
  }
}

function specOf({ architecture, globalBatch, shards, precision, augment }: EpochTask): Record<string, unknown> {
  const { learningRate, momentum, weightDecay } = recipe
  return {
    ...{ model: { architecture }, epochs: 1, globalBatch, shards, precision, learningRate, engine: 'NATIVE' },
    optimizer: { kind: 'SGD', momentum, weightDecay },
    ...(augment === null ? {} : { augmentation: { randomCrop: augment, horizontalFlip: true } }),
  }
}

interface Epoch {
  engine: string
  images: number
  /** Wall seconds of all its training steps, reading counted in. */
  trainSeconds: number
  /** With validation. */
  wallSeconds: number
  /** Share of the training time in which no step was under way. */
  idleShare: number
}

/** @throws BenchError where the events tell of no whole epoch. */
export function epochOf(events: readonly TrainerEvent[], { globalBatch }: { globalBatch: number }): Epoch {
  const started = events.find((event) => event.type === 'started')
  const epoch = events.find((event) => event.type === 'epoch')
  if (started === undefined || epoch === undefined)
    throw new BenchError('The trainer ended before its first epoch did.')
  const images = started.stepsPerEpoch * globalBatch
  const trainSeconds = images / epoch.imagesPerSecond
  const stepSeconds = events.flatMap((event) => (event.type === 'step' ? [globalBatch / event.imagesPerSecond] : []))
  return {
    engine: `${started.engine} ${started.engineDetail}`,
    images,
    trainSeconds,
    wallSeconds: epoch.wallSeconds,
    idleShare: Math.max(0, 1 - stepSeconds.reduce((sum, seconds) => sum + seconds, 0) / trainSeconds),
  }
}

const readySchema = z
  .object({ ready: z.object({ version: z.string(), images: z.number() }) })
  .transform(({ ready }) => ready)
type EpochWorker = Worker<z.output<typeof readySchema>>

interface Loader {
  workers: number
  /** The dataset is indexed by whole batches; only where images need no transform of their own. */
  batched: boolean
}

async function bestLoader(
  worker: EpochWorker,
  { augment, globalBatch }: EpochTask,
  note: Field['note'],
): Promise<Loader> {
  const loaders: Loader[] = [0, 1, 2].map((workers) => ({ workers, batched: false }))
  if (augment === null) loaders.push({ workers: 0, batched: true })
  const tried: { loader: Loader; secondsPerStep: number }[] = []
  for (const loader of loaders) {
    const { seconds } = await worker.ask({ loader, steps: triedSteps }, stepsAnswer)
    const secondsPerStep = median(seconds.slice(settledSteps))
    note(`  PyTorch, ${describeLoader(loader)}: ${(globalBatch / secondsPerStep).toFixed(1)} images/s`)
    tried.push({ loader, secondsPerStep })
  }
  const [best] = tried.toSorted((a, b) => a.secondsPerStep - b.secondsPerStep)
  if (best === undefined) throw new RangeError('no loader was tried')
  return best.loader
}

function describeLoader({ workers, batched }: Loader): string {
  return batched ? 'whole batches, no workers' : `${workers} workers`
}
