// The peer at its best: tries PyTorch's layouts, its compiler, its precisions and its allocators on a task.
import type { Precision } from '../../src/shared/run-spec.ts'
import { BenchError } from '../bench.ts'
import { quietShare } from '../load.ts'
import { percent } from '../report.ts'
import { measureRounds, type Rounds } from '../rounds.ts'
import type { Worker } from '../worker.ts'
import {
  describe,
  findTcmalloc,
  openVariant,
  startPyTorch,
  type Opened,
  type PyTorchReady,
  type Variant,
} from './pytorch.ts'
import { shapeKey, type Shape } from './tasks.ts'

export interface Qualified extends Variant {
  optimizer: string
  secondsPerStep: number
}

export interface QualifyOptions {
  python: string
  cores: readonly number[]
  note: (line: string) => void
}

/** Of about a second each; the better one counts, since a disturbance can only slow down. */
const qualifyingRounds = 2
/** A variant whose warm-up was this far behind the best of its precision gets one round. */
const farBehind = 1.5
/** A runner-up this close to the quickest enters the measured rounds too: the better one there is the peer. */
const closeEnough = 1.05

/**
 * Tries the variants, each for a few seconds, and gives those that trained, quickest first. torch.compile gets the
 * layout that was best without it, and channels_last, which it prefers; the C library's allocator gets the best variant
 * of each precision. What does not start in time, such as a compilation without a C++ compiler, is noted and left out.
 * @throws BenchError where nothing trained.
 */
export async function qualify(
  shape: Shape,
  wanted: readonly Precision[],
  options: QualifyOptions,
): Promise<Qualified[]> {
  options.note(`finding PyTorch's best settings for ${shapeKey(shape)}`)
  const tcmalloc = findTcmalloc()
  const trials = openTrials(shape, options)
  try {
    for (const precision of wanted) {
      const eager = { precision, compile: false, tcmalloc } as const
      await trials.run({ ...eager, layout: 'channels_last' })
      await trials.run({ ...eager, layout: 'contiguous' })
      const preferred = trials.best(precision)?.layout ?? 'channels_last'
      for (const layout of new Set([preferred, 'channels_last'] as const))
        await trials.run({ ...eager, compile: true, layout })
    }
    if (tcmalloc !== null) {
      for (const precision of wanted) {
        const best = trials.best(precision)
        if (best !== undefined) await trials.run({ ...best, tcmalloc: null })
      }
    }
  } finally {
    await trials.close()
  }
  const qualified = trials.results()
  if (qualified.length === 0) throw new BenchError('No variant of PyTorch could train this task.')
  return qualified
}

/** The best, and the runner-up where it is close. */
export function finalists(qualified: readonly Qualified[], wanted: readonly Precision[]): Qualified[] {
  const [best, next] = qualified.filter(({ precision }) => wanted.includes(precision))
  if (best === undefined) return []
  return next !== undefined && next.secondsPerStep <= best.secondsPerStep * closeEnough ? [best, next] : [best]
}

interface Trials {
  run(variant: Variant): Promise<void>
  best(precision: Precision): Qualified | undefined
  /** Quickest first. */
  results(): Qualified[]
  close(): Promise<void>
}

/** One process serves as many trials as it lives through: importing torch takes longer than a trial. */
function openTrials(shape: Shape, { python, cores, note }: QualifyOptions): Trials {
  const qualified: Qualified[] = []
  let current: { tcmalloc: string | null; worker: Worker<PyTorchReady> } | undefined
  const results = () => qualified.toSorted((a, b) => a.secondsPerStep - b.secondsPerStep)
  const best = (wanted: Precision) => results().find(({ precision }) => precision === wanted)

  async function close(): Promise<void> {
    await current?.worker.close()
    current = undefined
  }

  async function workerWith(tcmalloc: string | null): Promise<Worker<PyTorchReady>> {
    if (current?.tcmalloc === tcmalloc) return current.worker
    await close()
    current = { tcmalloc, worker: await startPyTorch(shape, { python, cores, tcmalloc }) }
    return current.worker
  }

  return {
    best,
    results,
    close,
    async run(variant) {
      try {
        const worker = await workerWith(variant.tcmalloc)
        const opened = await openVariant(worker, variant)
        const trial = await measureTrial(worker, opened, { best: best(variant.precision), cores })
        qualified.push({ ...variant, optimizer: opened.optimizer, secondsPerStep: trial.secondsPerStep })
        const figure = `${(shape.globalBatch / trial.secondsPerStep).toFixed(1)} images/s, ${opened.optimizer} SGD`
        note(`  PyTorch ${describe(variant)}: ${figure}${trial.remark}`)
      } catch (error) {
        if (!(error instanceof BenchError)) throw error
        note(`  PyTorch ${describe(variant)}: left out: ${error.message.split('\n').at(-1) ?? ''}`)
        // It may have been killed.
        await close()
      }
    },
  }
}

/** A disturbed trial is made once more, and the better of the two counts: nobody's load may cost the peer its best variant. */
async function measureTrial(
  worker: Worker<PyTorchReady>,
  { secondsPerStep }: Opened,
  { best, cores }: { best: Qualified | undefined; cores: readonly number[] },
): Promise<{ secondsPerStep: number; remark: string }> {
  const behind = best !== undefined && secondsPerStep > best.secondsPerStep * farBehind
  const rounds = behind ? 1 : qualifyingRounds
  const trials: Rounds[] = []
  do trials.push(await measureRounds([worker], { rounds, cores, onRound: () => undefined }))
  while (trials.length < 2 && trials.every(({ foreignLoad }) => foreignLoad > quietShare))
  const foreignLoad = Math.min(...trials.map((trial) => trial.foreignLoad))
  return {
    secondsPerStep: Math.min(...trials.flatMap((trial) => trial.secondsPerStep[0] ?? [])),
    remark: foreignLoad > quietShare ? `, disturbed (${percent(foreignLoad)})` : '',
  }
}
