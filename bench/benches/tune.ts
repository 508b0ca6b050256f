// `tune`: times every algorithm of every convolution of the `train` bench, and writes the kernel table of the engine.
import { readFileSync, writeFileSync } from 'node:fs'
import {
  convolutionDirections,
  type Algorithms,
  type ConvolutionAlgorithm,
  type ConvolutionTimes,
  type KernelTable,
} from '../../src/trainer/engines/kernel-table.ts'
import { openKernelTable } from '../../src/trainer/engines/native.ts'
import type { Bench, BenchOptions, Row } from '../bench.ts'
import { warnOfLoad, watchLoad } from '../load.ts'
import { allowedCores } from '../machine.ts'
import { median } from '../rounds.ts'
import { choose, type Choice, type Timings } from '../tune/choose.ts'
import { tunables, type Tunable } from '../tune/shapes.ts'
import { parseTable, renderEntry, renderTable, sameKey, tableFile, type TableLine } from '../tune/table-file.ts'

/** In each round, of each way to compute a convolution. */
const repetitions = 2
/** Weights are copied once an update, and the rows of the bench have at least two shards to use the copies. */
const fewestShards = 2

const convolutions = tunables()

export const tune: Bench = {
  name: 'tune',
  description: "times the algorithms of each convolution and writes the engine's kernel table",
  rowNames: convolutions.map(({ name }) => name),
  run,
}

// Timing is synchronous: the engine works on this thread.
// eslint-disable-next-line @typescript-eslint/require-await
async function* run(options: BenchOptions): AsyncGenerator<Row> {
  const table = openKernelTable()
  const [core = 0] = allowedCores()
  let lines = parseTable(readFileSync(tableFile, 'utf8'))
  for (const tunable of convolutions.filter(({ name }) => options.rows.includes(name))) {
    const { name, precision } = tunable
    if (precision === 'BF16' && !table.supportsBf16()) {
      yield { name, status: 'skipped', reason: `this machine does not compute in ${precision}` }
      continue
    }
    const candidate = { ...tunable, kernels: table.kernelsName(precision) }
    const { row, line } = tuneOne(table, candidate, { ...options, core })
    lines = lines.filter(({ entry }) => !sameKey(entry, candidate))
    if (line !== null) lines.push(line)
    // After each row: what is interrupted keeps what it found.
    writeFileSync(tableFile, renderTable(lines))
    yield row
  }
  options.note(`${tableFile}: ${lines.length} entries. The engine has them once it is built again: npm run setup`)
}

interface Candidate extends Tunable {
  kernels: string
}

function tuneOne(
  table: KernelTable,
  { name, precision, shape, kernels }: Candidate,
  { rounds, note, core }: BenchOptions & { core: number },
): { row: Row; line: TableLine | null } {
  const rule = table.algorithmsByRule(precision, shape)
  const ways = waysOf(rule, table.acceptedAlgorithms(shape))
  const load = watchLoad([process], [core])
  const times = ways.map((): ConvolutionTimes[] => [])
  for (let round = 0; round < rounds; round += 1)
    for (const [index, algorithms] of ways.entries())
      times[index]?.push(table.timeConvolution({ shape, precision, algorithms, core, repetitions }))
  const timings = timingsOf(ways, times)
  const { algorithms, gain } = choose(rule, timings)
  const foreignLoad = load()
  const entered = convolutionDirections.some((direction) => algorithms[direction] !== rule[direction])
  note(
    `${name}: ${wordsOf(algorithms)}${entered ? `, ${gain.toFixed(2)}x the rule's ${wordsOf(rule)}` : ', as by the rule'}`,
  )
  warnOfLoad(foreignLoad, note)
  return {
    row: rowOf(name, { kernels, rule, timings, choice: { algorithms, gain }, foreignLoad, rounds }),
    line: entered ? renderEntry({ kernels, shape, algorithms }, gain) : null,
  }
}

/** By the rule, and then with one direction otherwise at a time. */
function waysOf(rule: Algorithms, accepted: readonly ConvolutionAlgorithm[]): Algorithms[] {
  const others = convolutionDirections.flatMap((direction) =>
    accepted
      .filter((algorithm) => algorithm !== rule[direction])
      .map((algorithm) => ({ ...rule, [direction]: algorithm })),
  )
  return [rule, ...others]
}

function timingsOf(
  [rule, ...others]: readonly Algorithms[],
  [byRule, ...byOthers]: readonly ConvolutionTimes[][],
): Timings {
  if (rule === undefined || byRule === undefined) throw new RangeError('the rule itself is timed first')
  const typical = (times: readonly ConvolutionTimes[], part: keyof ConvolutionTimes) =>
    median(times.flatMap((one) => [...one[part]]))
  const copies = typical(byRule, 'weightCopies')
  const of = (direction: keyof Algorithms) =>
    new Map<ConvolutionAlgorithm, number>([
      [rule[direction], typical(byRule, direction)],
      ...others.flatMap((way, index): [ConvolutionAlgorithm, number][] => {
        const times = byOthers[index] ?? []
        if (way[direction] === rule[direction]) return []
        return [[way[direction], typical(times, direction) + (typical(times, 'weightCopies') - copies) / fewestShards]]
      }),
    ])
  return { forward: of('forward'), dataGradient: of('dataGradient'), weightGradient: of('weightGradient') }
}

interface Finding {
  kernels: string
  rule: Algorithms
  timings: Timings
  choice: Choice
  foreignLoad: number
  rounds: number
}

function rowOf(name: string, { kernels, rule, timings, choice, foreignLoad, rounds }: Finding): Row {
  const microseconds = Object.fromEntries(
    convolutionDirections.map((direction) => [
      direction,
      [...timings[direction]].map(([algorithm, seconds]) => `${algorithm} ${(seconds * 1e6).toFixed(0)} us`).join(', '),
    ]),
  )
  return {
    ...{ name, status: 'measured', unit: 'x', ours: null, peer: null, ratio: null, value: choice.gain, bar: null },
    detail: {
      kernels,
      rule: wordsOf(rule),
      chosen: wordsOf(choice.algorithms),
      ...microseconds,
      rounds,
      repetitionsPerRound: repetitions,
      foreignLoad,
    },
  }
}

function wordsOf(algorithms: Algorithms): string {
  return convolutionDirections.map((direction) => algorithms[direction]).join('/')
}
