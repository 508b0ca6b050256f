// Our rows of one shape beside PyTorch's best variants on it, all in turn in the same rounds.
import { precisions } from '../../src/shared/recipe.ts'
import { BenchError, rowsOrReason, type Detail, type MeasuredRow, type Row } from '../bench.ts'
import { peakMemoryBytes } from '../machine.ts'
import { median, spread, type Rounds } from '../rounds.ts'
import { withWorkers, type Worker } from '../worker.ts'
import { flopsPerStep, graphOf } from './arithmetic.ts'
import type { Field } from './field.ts'
import { measure, shared } from './measure.ts'
import { auditState, startOurs, type OursReady } from './ours.ts'
import { peerPrecisions } from './precision.ts'
import { describe, openVariant, startPyTorch, type Opened, type PyTorchReady } from './pytorch.ts'
import { finalists, type Qualified } from './qualify.ts'
import { askProfile, describeLayers, layersBelowPeak, partShares } from './step-profile.ts'
import type { Shape, TrainTask } from './tasks.ts'

/** One side after the rounds: its seconds a step in each, and the peak of its memory. */
interface Side<Ready> {
  worker: Worker<Ready>
  secondsPerStep: readonly number[]
  peakBytes: number
}

interface Peer extends Side<PyTorchReady> {
  variant: Qualified
  opened: Opened
}

/**
 * Rows of tasks of one shape. Where measuring them together fails, each is measured alone, so that one side's fault
 * costs its own row.
 */
export async function contest(tasks: readonly TrainTask[], field: Field): Promise<Row[]> {
  try {
    return await measureTogether(tasks, field)
  } catch (error) {
    if (!(error instanceof BenchError)) throw error
    if (tasks.length === 1) return tasks.map(({ name }) => ({ name, status: 'failed', reason: error.message }))
    field.note(`  ! ${error.message.split('\n')[0] ?? ''}: each row alone`)
    const rows: Row[] = []
    for (const task of tasks) rows.push(...(await contest([task], field)))
    return rows
  }
}

async function measureTogether(tasks: readonly TrainTask[], field: Field): Promise<Row[]> {
  const [shape] = tasks
  if (shape === undefined) return []
  const { cores, python } = field
  const variants = await contestants(tasks, field)
  await field.peak()
  return withWorkers(async (open) => {
    field.note(`measuring ${tasks.map(({ name }) => name).join(', ')}`)
    const ours: Worker<OursReady>[] = []
    for (const task of tasks) ours.push(await open(startOurs(task, [[cores[0]], [cores[1]]])))
    const peers: { worker: Worker<PyTorchReady>; variant: Qualified; opened: Opened }[] = []
    for (const variant of variants) {
      const worker = await open(startPyTorch(shape, { python, cores, tcmalloc: variant.tcmalloc }))
      peers.push({ worker, variant, opened: await openVariant(worker, variant) })
    }
    const workers = [...ours, ...peers.map(({ worker }) => worker)]
    const measured = await measure(shape, workers, field)
    // Before any audit, which holds copies.
    const peaks = workers.map(({ pid }) => peakMemoryBytes(pid))
    const seconds = (index: number) => measured.secondsPerStep[index] ?? []
    const judged: Peer[] = peers.map((peer, index) => ({
      ...peer,
      secondsPerStep: seconds(ours.length + index),
      peakBytes: peaks[ours.length + index] ?? 0,
    }))
    const rows: Row[] = []
    for (const [index, task] of tasks.entries()) {
      const worker = ours[index] as Worker<OursReady>
      const side = { worker, secondsPerStep: seconds(index), peakBytes: peaks[index] ?? 0 }
      rows.push(
        ...(await rowsOrReason([task.name], async () => [await rowOf(task, { side, judged, measured, field })])),
      )
    }
    return rows
  })
}

/** The finalists that any of the rows is compared with. */
async function contestants(tasks: readonly TrainTask[], field: Field): Promise<Qualified[]> {
  const chosen = new Set<Qualified>()
  for (const task of tasks) {
    for (const variant of finalists(await field.qualified(task), peerPrecisions(task.precision))) chosen.add(variant)
  }
  if (chosen.size === 0) throw new BenchError('No variant of PyTorch could train this task.')
  return [...chosen]
}

interface Judgement {
  side: Side<OursReady>
  judged: readonly Peer[]
  measured: Rounds
  field: Field
}

async function rowOf(task: TrainTask, { side, judged, measured, field }: Judgement): Promise<MeasuredRow> {
  const allowed = judged.filter(({ variant }) => peerPrecisions(task.precision).includes(variant.precision))
  const [peer] = allowed.toSorted((a, b) => median(a.secondsPerStep) - median(b.secondsPerStep))
  if (peer === undefined) throw new BenchError('No variant of PyTorch was measured.')
  const { ready } = peer.worker
  const ours = side.worker.ready
  if (peer.opened.parameters !== ours.parameters) {
    throw new BenchError(
      `PyTorch trains ${peer.opened.parameters} parameters and we ${ours.parameters}: the row is void.`,
    )
  }
  await auditState(side.worker)
  const profile = await askProfile(side.worker)
  const [oursSeconds, peerSeconds] = [median(side.secondsPerStep), median(peer.secondsPerStep)]
  const flops = flopsPerStep(task)
  const peak = (await field.peak())[task.precision]
  return {
    name: task.name,
    status: 'measured',
    unit: 'images/s',
    ours: task.globalBatch / oursSeconds,
    peer: task.globalBatch / peerSeconds,
    ratio: median(peer.secondsPerStep.map((time, round) => time / (side.secondsPerStep[round] ?? Number.NaN))),
    value: null,
    bar: task.bar,
    detail: {
      engine: `${ours.engine} ${ours.detail}`,
      peer: `PyTorch ${ready.version}, torchvision ${ready.torchvision}`,
      peerSettings: `${describe(peer.variant)}, ${peer.opened.optimizer} SGD, ${ready.threads} threads`,
      ...shared(task, measured),
      devices: 2,
      oursSpread: spread(side.secondsPerStep),
      peerSpread: spread(peer.secondsPerStep),
      peerTried: tried(task, await field.qualified(task)),
      gflopsPerStep: flops / 1e9,
      peakGflops: peak.flops / 1e9,
      peakBy: `oneDNN product of ${peak.size}x${peak.size} in ${task.precision}, both cores`,
      oursShareOfPeak: flops / oursSeconds / peak.flops,
      peerShareOfPeak: flops / peerSeconds / peak.flops,
      furthestBelowPeak: describeLayers(
        layersBelowPeak(profile, graphOf(task), peak.flops / field.cores.length).slice(0, 3),
      ),
      ...partShares(profile),
      ...memory(side, peer),
    },
  }
}

/** The best of each precision when the variants were tried: a bf16 row shows that the better one became its peer. */
function tried(shape: Shape, qualified: readonly Qualified[]): string {
  return precisions
    .flatMap((wanted) => {
      const best = qualified.find(({ precision }) => precision === wanted)
      return best === undefined ? [] : [`${wanted} ${(shape.globalBatch / best.secondsPerStep).toFixed(1)} images/s`]
    })
    .join(', ')
}

/** With and without what Node and `import torch` alone take: the bar is on the whole, the rest is for honesty. */
function memory(side: Side<OursReady>, peer: Peer): Detail {
  const [ours, theirs] = [side.worker.ready, peer.worker.ready]
  return {
    oursPeakBytes: side.peakBytes,
    peerPeakBytes: peer.peakBytes,
    memoryShare: side.peakBytes / peer.peakBytes,
    oursImportedBytes: ours.importedBytes,
    peerImportedBytes: theirs.importedBytes,
    memoryShareWithoutRuntimes: (side.peakBytes - ours.importedBytes) / (peer.peakBytes - theirs.importedBytes),
    oursSessionBytes: ours.sessionBytes,
  }
}
