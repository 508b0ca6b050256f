// `input`: how fast images are decoded and augmented, and how long the engine waits for them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { augmentationSchema } from '../../src/shared/augmentation.ts'
import type { Dataset } from '../../src/trainer/datasets/dataset.ts'
import { openDataset } from '../../src/trainer/datasets/open.ts'
import { drawShapes } from '../../src/trainer/datasets/shapes.ts'
import { createBatches } from '../../src/trainer/input/batches.ts'
import { BenchError, type Bench, type BenchOptions, type MeasuredRow, type Row } from '../bench.ts'
import { measureIdle, type IdleRound, type IdleTask } from '../input/idle.ts'
import { writePhotographs } from '../input/photographs.ts'
import { warnOfLoad, watchLoad } from '../load.ts'
import { allowedCores } from '../machine.ts'
import { median, spread } from '../rounds.ts'

const photographs = { train: 1000, validation: 32, width: 400, height: 300 }
const output = { height: 224, width: 224 }
const resizedCrop = augmentationSchema.parse({ randomResizedCrop: {}, horizontalFlip: true })
const paddedCrop = augmentationSchema.parse({ randomCrop: { padding: 4 }, horizontalFlip: true })
const batch224 = 16
/** Measured steps of a round: some seconds. */
const steps = { small: 80, large: 16 }

const cold = 'decode-augment-224-cold'
const cached = 'decode-augment-224-cache'
const idleSmall = 'idle-share-28x28x1'
const idleLarge = 'idle-share-224x224x3'

export const input: Bench = {
  name: 'input',
  description: 'images decoded and augmented a second, and the share of time the engine waits for them',
  rowNames: [cold, cached, idleSmall, idleLarge],
  run,
}

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  const folder = mkdtempSync(join(tmpdir(), 'trainql-bench-input-'))
  try {
    yield* measure(folder, options)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function* measure(folder: string, options: BenchOptions): AsyncGenerator<Row> {
  const wanted = (name: string) => options.rows.includes(name)
  if (wanted(cold) || wanted(cached) || wanted(idleLarge)) {
    options.note(`writing ${photographs.train} JPEG files of ${photographs.width}x${photographs.height}`)
    const fileBytes = Math.round(await writePhotographs(join(folder, 'photographs'), photographs))
    if (wanted(cold)) yield await measureDecoding(cold, { ...options, folder, fileBytes, keep: false })
    if (wanted(cached)) yield await measureDecoding(cached, { ...options, folder, fileBytes, keep: true })
  }
  if (wanted(idleSmall)) {
    const task = { dataset: drawShapes(), augmentation: paddedCrop, globalBatch: 128, steps: steps.small }
    yield await measureIdleShare(idleSmall, { ...options, folder, task })
  }
  if (wanted(idleLarge)) {
    const dataset = await openPhotographs(folder)
    const task = { dataset, augmentation: resizedCrop, globalBatch: batch224, steps: steps.large }
    yield await measureIdleShare(idleLarge, { ...options, folder, task })
  }
}

function openPhotographs(folder: string): Promise<Dataset> {
  return openDataset('photographs', [folder], {
    cacheFolder: join(folder, 'cache'),
    imageSize: output,
    randomScale: true,
  })
}

interface DecodingOptions extends BenchOptions {
  folder: string
  fileBytes: number
  /** Whether decoded images are kept from one round to the next. */
  keep: boolean
}

/** One pass over all training images, from their files to augmented batches. */
async function measureDecoding(
  name: string,
  { folder, fileBytes, keep, rounds, note }: DecodingOptions,
): Promise<MeasuredRow> {
  if (keep) await openPhotographs(folder)
  const load = watchLoad([process], allowedCores())
  const rates: number[] = []
  let batches = 0
  for (let round = 1; round <= rounds; round += 1) {
    if (!keep) rmSync(join(folder, 'cache'), { recursive: true, force: true })
    const begun = performance.now()
    batches = await passOver(await openPhotographs(folder), round)
    rates.push((batches * batch224 * 1000) / (performance.now() - begun))
    note(`  ${name} round ${round}/${rounds}: ${rates.at(-1)?.toFixed(0)} images/s`)
  }
  return {
    ...row(name, 'images/s', median(rates)),
    bar: null,
    detail: {
      images: batches * batch224,
      source: `JPEG ${photographs.width}x${photographs.height}, ${fileBytes} bytes each, in the page cache`,
      includes: keep
        ? 'looking at every file; random resized crop, flip'
        : 'reading, hashing, decoding, writing the cache; random resized crop, flip',
      batch: batch224,
      rounds,
      spread: spread(rates),
      foreignLoad: warnOfLoad(load(), note),
    },
  }
}

async function passOver(dataset: Dataset, epoch: number): Promise<number> {
  const batches = createBatches(dataset, {
    seed: 0,
    globalBatch: batch224,
    trainImages: null,
    validationImages: null,
    epochs: epoch,
    augmentation: resizedCrop,
  })
  try {
    for (let step = 0; step < batches.stepsPerEpoch; step += 1) await batches.training(epoch, step)
    return batches.stepsPerEpoch
  } finally {
    batches.close()
  }
}

interface IdleOptions extends BenchOptions {
  folder: string
  task: Omit<IdleTask, 'devices' | 'folder'>
}

async function measureIdleShare(name: string, { folder, task, rounds, note }: IdleOptions): Promise<MeasuredRow> {
  const [first, second] = allowedCores()
  if (first === undefined || second === undefined) {
    throw new BenchError('This row trains on two cores, and this process may use only one.')
  }
  const load = watchLoad([process], allowedCores())
  const measured: IdleRound[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const runs = mkdtempSync(join(folder, 'runs-'))
    const result = await measureIdle({ ...task, devices: [[first], [second]], folder: runs }, round)
    rmSync(runs, { recursive: true, force: true })
    measured.push(result)
    note(`  ${name} round ${round}/${rounds}: ${(result.idleShare * 100).toFixed(2)} % idle`)
  }
  const over = (pick: (round: IdleRound) => number) => median(measured.map(pick))
  return {
    ...row(name, '%', 100 * over(({ idleShare }) => idleShare)),
    // A bar is what a figure must reach; this one must stay below.
    bar: null,
    detail: {
      allowed: 'less than 5 %',
      dataset: task.dataset.name,
      globalBatch: task.globalBatch,
      devices: 2,
      rounds,
      stepsPerRound: task.steps,
      imagesPerSecond: task.globalBatch / over(({ secondsPerStep }) => secondsPerStep),
      imagesPerSecondOnOneBatch: task.globalBatch / over(({ secondsPerStepAlone }) => secondsPerStepAlone),
      largest: 100 * Math.max(...measured.map(({ idleShare }) => idleShare)),
      foreignLoad: warnOfLoad(load(), note),
    },
  }
}

function row(name: string, unit: string, value: number): Omit<MeasuredRow, 'bar' | 'detail'> {
  return { name, status: 'measured', unit, ours: null, peer: null, ratio: null, value }
}
