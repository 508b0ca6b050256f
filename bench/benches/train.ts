// `train`: images per second of whole training steps beside PyTorch in the same run, and of two devices beside one.
import { BenchError, type Bench, type BenchOptions, type Row } from '../bench.ts'
import { allowedCores, peakMemoryBytes } from '../machine.ts'
import { measureRounds, median, percent, quietShare, spread, type Rounds } from '../rounds.ts'
import { auditState, startOurs } from '../train/ours.ts'
import { describe, findPython, findTcmalloc, qualify, startPyTorch, type Qualified } from '../train/pytorch.ts'
import { comparisons, recipe, scaling, type TrainTask } from '../train/tasks.ts'
import type { Worker } from '../worker.ts'

/** A runner-up this close to the quickest variant of PyTorch is measured in turn too: the better one is the peer. */
const closeEnough = 1.1

export const train: Bench = {
  name: 'train',
  description: 'training steps beside PyTorch, two one-core devices; and two devices beside one',
  rowNames: [...comparisons, scaling].map(({ name }) => name),
  run: async (options) => {
    const [first, second] = allowedCores()
    if (first === undefined || second === undefined) {
      throw new BenchError('This bench compares on two cores, and this process may use only one.')
    }
    const cores = [first, second] as const
    const rows: Row[] = []
    const wanted = comparisons.filter(({ name }) => options.rows.includes(name))
    if (wanted.length > 0) {
      // Asked before anything is measured: without its peer a row is no row.
      const python = findPython()
      if (findTcmalloc() === null)
        options.note('tcmalloc is not installed (libgoogle-perftools4): PyTorch runs without it')
      const qualified = qualifyOnce({ ...options, cores, python })
      for (const task of wanted) rows.push(await compare(task, { ...options, cores, python, qualified }))
    }
    if (options.rows.includes(scaling.name)) rows.push(await compareDevices(scaling, { ...options, cores }))
    return rows
  },
}

type Cores = readonly [number, number]

interface Contest extends BenchOptions {
  cores: Cores
  python: string
  /** Variants of PyTorch on a task, quickest first. */
  qualified: (task: TrainTask) => Promise<Qualified[]>
}

/** PyTorch knows no shards, so rows that differ in shards alone share one qualification. */
function qualifyOnce(options: Omit<Contest, 'qualified'>): Contest['qualified'] {
  const known = new Map<string, Promise<Qualified[]>>()
  return (task) => {
    const { architecture, channels, size, globalBatch } = task
    const key = [architecture, channels, size, globalBatch].join()
    const qualified = known.get(key) ?? qualify(task, options)
    known.set(key, qualified)
    return qualified
  }
}

async function compare(task: TrainTask, options: Contest): Promise<Row> {
  const { cores, python } = options
  const [best, ...rest] = await options.qualified(task)
  const finalists = [best, rest[0]].filter(
    (variant) =>
      variant !== undefined && best !== undefined && variant.secondsPerStep <= best.secondsPerStep * closeEnough,
  )
  return withWorkers(async (open) => {
    const ours = await open(startOurs(task, [[cores[0]], [cores[1]]]))
    const peers = []
    for (const variant of finalists) {
      if (variant === undefined) continue
      peers.push({ variant, worker: await open(startPyTorch(task, { python, cores, variant })) })
    }
    const measured = await measure(task, [ours, ...peers.map(({ worker }) => worker)], options)
    const [oursSeconds = [], ...peerSeconds] = measured.secondsPerStep
    const medians = peerSeconds.map(median)
    const quickest = medians.indexOf(Math.min(...medians))
    const peer = peers[quickest]
    const seconds = peerSeconds[quickest]
    if (peer === undefined || seconds === undefined) throw new BenchError('No variant of PyTorch was measured.')
    const { ready } = peer.worker
    if (ready.parameters !== ours.ready.parameters) {
      throw new BenchError(
        `PyTorch trains ${ready.parameters} parameters and we ${ours.ready.parameters}: the row is void.`,
      )
    }
    const oursPeakBytes = peakMemoryBytes(ours.pid)
    await auditState(ours)
    const ratios = seconds.map((time, round) => time / (oursSeconds[round] ?? Number.NaN))
    return {
      name: task.name,
      unit: 'images/s',
      ours: task.globalBatch / median(oursSeconds),
      peer: task.globalBatch / median(seconds),
      ratio: median(ratios),
      value: null,
      detail: {
        engine: `${ours.ready.engine} ${ours.ready.detail}`,
        peer: `PyTorch ${ready.version}, torchvision ${ready.torchvision}`,
        peerSettings: `${describe(peer.variant)}, ${ready.optimizer} SGD, ${ready.threads} threads`,
        ...shared(task, measured),
        devices: 2,
        oursSpread: spread(oursSeconds),
        peerSpread: spread(seconds),
        oursPeakBytes,
        peerPeakBytes: peakMemoryBytes(peer.worker.pid),
        oursSessionBytes: ours.ready.sessionBytes,
        peerImportedBytes: ready.importedBytes,
      },
    }
  })
}

async function compareDevices(task: TrainTask, options: BenchOptions & { cores: Cores }): Promise<Row> {
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
    return {
      name: task.name,
      unit: 'x',
      ours: null,
      peer: null,
      ratio: null,
      value: median(oneSeconds.map((time, round) => time / (twoSeconds[round] ?? Number.NaN))),
      detail: {
        engine: `${two.ready.engine} ${two.ready.detail}`,
        ...shared(task, measured),
        twoDevicesImagesPerSecond: task.globalBatch / median(twoSeconds),
        oneDeviceImagesPerSecond: task.globalBatch / median(oneSeconds),
        bitEqual: true,
        stateSha256: twoState,
        oursPeakBytes,
      },
    }
  })
}

async function measure(
  task: TrainTask,
  workers: readonly Worker<unknown>[],
  { rounds, cores, note }: BenchOptions & { cores: Cores },
): Promise<Rounds> {
  const measured = await measureRounds(workers, {
    rounds,
    cores,
    onRound: (round, times) =>
      note(
        `  round ${round}/${rounds}: ${times.map((time) => (task.globalBatch / time).toFixed(1)).join(' | ')} images/s`,
      ),
  })
  if (measured.foreignLoad > quietShare) {
    note(`  ! other processes used ${percent(measured.foreignLoad)} of the cores meanwhile: repeat on a quiet machine`)
  }
  if (measured.idleLoad > quietShare) {
    note(`  ! the side that waited used ${percent(measured.idleLoad)} of the cores: it disturbed the other`)
  }
  return measured
}

function shared({ globalBatch, shards }: TrainTask, { stepsPerTurn, foreignLoad, idleLoad, secondsPerStep }: Rounds) {
  return {
    globalBatch,
    shards,
    rounds: secondsPerStep[0]?.length ?? 0,
    stepsPerRound: stepsPerTurn,
    update: `SGD, momentum ${recipe.momentum}, weight decay ${recipe.weightDecay}, all parameters`,
    foreignLoad,
    idleLoad,
  }
}

/** Closes every worker that was opened, whatever happens. */
async function withWorkers<T>(
  work: (open: <W extends Worker<unknown>>(starting: Promise<W>) => Promise<W>) => Promise<T>,
) {
  const opened: Worker<unknown>[] = []
  try {
    return await work(async (starting) => {
      const worker = await starting
      opened.push(worker)
      return worker
    })
  } finally {
    await Promise.all(opened.map((worker) => worker.close()))
  }
}
