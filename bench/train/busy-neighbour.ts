// What a busy loop on one of the two cores leaves of the throughput, ours and PyTorch's.
import { z } from 'zod'
import { BenchError, type MeasuredRow } from '../bench.ts'
import { measureRounds, median, type RoundsOptions } from '../rounds.ts'
import { startWorker, withWorkers, type Worker } from '../worker.ts'
import type { Field } from './field.ts'
import { enginePeriod, startOurs } from './ours.ts'
import { describe, openVariant, peerFile, startPyTorch } from './pytorch.ts'
import type { TrainTask } from './tasks.ts'

/** The loop ends by itself after this long, whatever becomes of this process. */
const busySeconds = 120

/** In each round both sides train on quiet cores, and then both beside the loop. */
export async function measureBusyNeighbour(task: TrainTask, field: Field): Promise<MeasuredRow> {
  const { cores, python, rounds, note } = field
  const [variant] = (await field.qualified(task)).filter(({ precision }) => precision === task.precision)
  if (variant === undefined) throw new BenchError('No variant of PyTorch could train this task.')
  note(`${task.name}: with one busy loop on core ${cores[1]}`)
  return withWorkers(async (open) => {
    const ours = await open(startOurs(task, [[cores[0]], [cores[1]]]))
    const peer = await open(startPyTorch(task, { python, cores, tcmalloc: variant.tcmalloc }))
    await openVariant(peer, variant)
    // Each with as many steps as suit it: beside the loop the two differ widely.
    const turn = async () => [
      await secondsPerStep(ours, { cores, period: enginePeriod }),
      await secondsPerStep(peer, { cores, period: 1 }),
    ]

    const quiet: number[][] = []
    const busy: number[][] = []
    for (let round = 1; round <= rounds; round += 1) {
      quiet.push(await turn())
      const loop = await startBusyLoop(python, cores[1])
      try {
        busy.push(await turn())
      } finally {
        await stopBusyLoop(loop)
      }
      const line = [...(quiet.at(-1) ?? []), ...(busy.at(-1) ?? [])].map((time) => (task.globalBatch / time).toFixed(1))
      note(
        `  round ${round}/${rounds}: quiet ${line.slice(0, 2).join(' | ')}, busy ${line.slice(2).join(' | ')} images/s`,
      )
    }

    const [oursKept, peerKept] = [keptShare(quiet, busy, 0), keptShare(quiet, busy, 1)]
    const imagesPerSecond = (times: readonly number[][], side: number) =>
      task.globalBatch / median(times.map((sides) => sides[side] ?? Number.NaN))
    return {
      name: task.name,
      status: 'measured',
      unit: '% kept',
      ours: oursKept * 100,
      peer: peerKept * 100,
      ratio: imagesPerSecond(busy, 0) / imagesPerSecond(busy, 1),
      value: null,
      bar: task.bar,
      detail: {
        engine: `${ours.ready.engine} ${ours.ready.detail}`,
        peer: `PyTorch ${peer.ready.version}, torchvision ${peer.ready.torchvision}`,
        peerSettings: `${describe(variant)}, ${variant.optimizer} SGD, ${peer.ready.threads} threads`,
        globalBatch: task.globalBatch,
        shards: task.shards,
        rounds,
        ratioOf: 'images/s beside the loop',
        oursQuietImagesPerSecond: imagesPerSecond(quiet, 0),
        oursBusyImagesPerSecond: imagesPerSecond(busy, 0),
        peerQuietImagesPerSecond: imagesPerSecond(quiet, 1),
        peerBusyImagesPerSecond: imagesPerSecond(busy, 1),
      },
    }
  })
}

async function secondsPerStep(
  worker: Worker<unknown>,
  options: Pick<RoundsOptions, 'cores' | 'period'>,
): Promise<number> {
  const measured = await measureRounds([worker], { ...options, rounds: 1, onRound: () => undefined })
  return measured.secondsPerStep[0]?.[0] ?? Number.NaN
}

/** Median over the rounds of a side's throughput beside the loop over its quiet one. */
export function keptShare(quiet: readonly number[][], busy: readonly number[][], side: number): number {
  return median(quiet.map((times, round) => (times[side] ?? Number.NaN) / (busy[round]?.[side] ?? Number.NaN)))
}

function startBusyLoop(python: string, core: number): Promise<Worker<unknown>> {
  const args = ['-B', peerFile('busy.py'), String(core), String(busySeconds)]
  return startWorker({ name: 'The busy loop', command: python, args, readyWithinMs: 30_000 }, z.unknown())
}

async function stopBusyLoop(loop: Worker<unknown>): Promise<void> {
  process.kill(loop.pid, 'SIGTERM')
  await loop.close()
}
