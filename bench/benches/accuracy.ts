// `accuracy`: what bf16 costs in validation accuracy on Fashion-MNIST, from the same seeds in both precisions.
import type { TrainerEvent } from '../../src/shared/events.ts'
import type { Precision } from '../../src/shared/run-spec.ts'
import { BenchError, rowsOrReason, type Bench, type BenchOptions, type MeasuredRow, type Row } from '../bench.ts'
import { describeMachine } from '../machine.ts'
import { findCores } from '../train/field.ts'
import { whyNoBf16 } from '../train/precision.ts'
import { findFashionMnist, runTrainer } from '../train/trainer-run.ts'

const rowName = 'fashion-mnist-3-epochs-bf16'

/** One run's accuracy moves by some tenths of a point with its seed: the mean over these counts. */
const seeds = [0, 1, 2]

const recipe = {
  model: { architecture: 'RESNET18' },
  epochs: 3,
  globalBatch: 256,
  shards: 2,
  optimizer: { kind: 'SGD', momentum: 0.9, weightDecay: 5e-4 },
  learningRate: 0.05,
  // Without a falling rate the last epoch's accuracy is as much chance as precision.
  schedule: { kind: 'COSINE', minimum: 0, warmUpSteps: 100 },
  engine: 'NATIVE',
}

export const accuracy: Bench = {
  name: 'accuracy',
  description: 'validation accuracy of bf16 against fp32 after three epochs of Fashion-MNIST',
  rowNames: [rowName],
  run,
}

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  const reason = whyNoBf16(describeMachine().isa)
  if (reason !== null) yield { name: rowName, status: 'skipped', reason }
  else yield* await rowsOrReason([rowName], async () => [await compare(options)])
}

async function compare({ note }: BenchOptions): Promise<MeasuredRow> {
  const data = findFashionMnist()
  const devices = findCores().map((core) => [core])
  const train = async (precision: Precision, seed: number) => {
    const spec = { ...recipe, dataset: data.dataset, precision, seed }
    const reached = accuracyOf(await runTrainer({ spec, devices, dataRoots: data.dataRoots }), recipe.epochs)
    note(`  ${precision}, seed ${seed}: ${(reached * 100).toFixed(2)} %`)
    return reached * 100
  }
  note(`${rowName}: ${seeds.length} seeds in each precision`)
  const reached: Record<Precision, number[]> = { FP32: [], BF16: [] }
  for (const seed of seeds) {
    reached.FP32.push(await train('FP32', seed))
    reached.BF16.push(await train('BF16', seed))
  }
  return {
    name: rowName,
    status: 'measured',
    unit: 'points',
    ours: null,
    peer: null,
    ratio: null,
    value: mean(reached.BF16) - mean(reached.FP32),
    bar: -0.5,
    detail: {
      epochs: recipe.epochs,
      seeds: seeds.join(', '),
      fp32Accuracy: listed(reached.FP32),
      bf16Accuracy: listed(reached.BF16),
      globalBatch: recipe.globalBatch,
      shards: recipe.shards,
      update: `SGD, learning rate ${recipe.learningRate}, cosine, momentum 0.9, weight decay 5e-4`,
    },
  }
}

/** Validation accuracy, 0 to 1, after the last epoch. */
function accuracyOf(events: readonly TrainerEvent[], epochs: number): number {
  const last = events.find((event) => event.type === 'epoch' && event.epoch === epochs)
  if (last?.type !== 'epoch' || last.accuracy === null)
    throw new BenchError(`The trainer gave no accuracy for epoch ${epochs}.`)
  return last.accuracy
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function listed(percents: readonly number[]): string {
  return `${mean(percents).toFixed(2)} % (${percents.map((value) => value.toFixed(2)).join(', ')})`
}
