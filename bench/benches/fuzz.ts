// `fuzz`: ten thousand damaged checkpoint files through the readers. Each must be read or refused, soon and in little memory.
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { BenchError, rowsOrReason, type Bench, type BenchOptions, type MeasuredRow, type Row } from '../bench.ts'
import { startWorker, withWorkers } from '../worker.ts'
import { fuzzAnswer, type FuzzAnswer } from '../fuzz/answer.ts'

const rowName = 'mutated-files'
const mutants = 10_000
const perTurn = 500

export const fuzz: Bench = {
  name: 'fuzz',
  description: 'damaged checkpoint files that the readers handle as they must',
  rowNames: [rowName],
  run,
}

async function* run(options: BenchOptions): AsyncGenerator<Row> {
  yield* await rowsOrReason([rowName], async () => [await measure(options)])
}

async function measure({ note }: BenchOptions): Promise<MeasuredRow> {
  const answers = await withWorkers(async (open) => {
    const worker = await open(
      startWorker(
        {
          name: 'the readers',
          command: process.execPath,
          args: ['--expose-gc', '--import', 'tsx', fileURLToPath(new URL('../workers/fuzz.ts', import.meta.url))],
          readyWithinMs: 60_000,
        },
        z.object({ ready: z.literal(true) }),
      ),
    )
    const turns: FuzzAnswer[] = []
    for (let from = 0; from < mutants; from += perTurn) {
      turns.push(await worker.ask({ from, count: perTurn }, fuzzAnswer))
      note(`  ${rowName}: ${from + perTurn}/${mutants}`)
    }
    return turns
  })
  const faults = answers.flatMap((answer) => answer.faults)
  if (faults.length > 0)
    throw new BenchError(`${faults.length} of ${mutants} files:\n${faults.slice(0, 10).join('\n')}`)
  const largest = answers.reduce((most, answer) => (answer.peakBytes > most.peakBytes ? answer : most))
  const slowest = answers.reduce((most, answer) => (answer.slowestMs > most.slowestMs ? answer : most))
  return {
    name: rowName,
    status: 'measured',
    unit: 'files',
    ours: null,
    peer: null,
    ratio: null,
    value: mutants,
    bar: mutants,
    detail: {
      read: answers.reduce((sum, { read }) => sum + read, 0),
      refused: answers.reduce((sum, { refused }) => sum + refused, 0),
      slowestMs: slowest.slowestMs,
      slowest: slowest.slowest,
      peakBytes: largest.peakBytes,
      largest: largest.largest,
      allowed: '1 s and the larger of four times the file and 64 MiB, each; errors of one type',
    },
  }
}
