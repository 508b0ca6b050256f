// native/src/plan/kernel_table.inc as text: one line an entry, so that entries that were not timed stay as they are.
import { fileURLToPath } from 'node:url'
import type { KernelTableEntry } from '../../src/trainer/engines/kernel-table.ts'
import { BenchError } from '../bench.ts'

export const tableFile = fileURLToPath(new URL('../../native/src/plan/kernel_table.inc', import.meta.url))

/** A line with what it says. */
export interface TableLine {
  entry: KernelTableEntry
  text: string
}

const header = [
  '// The kernel table, written by `npm run bench -- tune`; docs/engine.md says how. Do not edit by hand.',
  '// {kernels, {in channels, out channels, kernel, stride, padding, height, width, shard batch},',
  '//  {forward, data gradient, weight gradient}},  and how much faster than by the rule, all three together',
]
const fields = ['inChannels', 'outChannels', 'kernel', 'stride', 'padding', 'height', 'width', 'shardBatch'] as const
const pattern = /^\{"(\w+)", \{(\d+(?:, \d+){7})\}, \{(direct|winograd), (direct|winograd), (direct|winograd)\}\},/

/** @throws BenchError naming a line that is neither an entry nor a comment. */
export function parseTable(text: string): TableLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('//'))
    .map((line) => {
      const [, kernels, numbers, forward, dataGradient, weightGradient] = pattern.exec(line) ?? []
      if (kernels === undefined || numbers === undefined)
        throw new BenchError(`${tableFile}: expected an entry; got "${line}".`)
      const values = numbers.split(', ').map(Number)
      const shape = Object.fromEntries(fields.map((field, index) => [field, values[index]]))
      const algorithms = { forward, dataGradient, weightGradient }
      return { entry: { kernels, shape, algorithms } as unknown as KernelTableEntry, text: line }
    })
}

export function renderEntry({ kernels, shape, algorithms }: KernelTableEntry, gain: number): TableLine {
  const { forward, dataGradient, weightGradient } = algorithms
  const key = `"${kernels}", {${fields.map((field) => shape[field]).join(', ')}}`
  const text = `{${key}, {${forward}, ${dataGradient}, ${weightGradient}}},  // ${gain.toFixed(2)}x`
  return { entry: { kernels, shape, algorithms }, text }
}

/** The table's text with the lines in place of those of the same key; `removed` keys go. In the order of the keys. */
export function renderTable(lines: readonly TableLine[]): string {
  const sorted = lines.toSorted((a, b) => compare(a.entry, b.entry))
  return [...header, ...sorted.map(({ text }) => text), ''].join('\n')
}

/** Two entries for the same kernels and shape. */
export function sameKey(
  a: Pick<KernelTableEntry, 'kernels' | 'shape'>,
  b: Pick<KernelTableEntry, 'kernels' | 'shape'>,
) {
  return compare(a, b) === 0
}

function compare(
  a: Pick<KernelTableEntry, 'kernels' | 'shape'>,
  b: Pick<KernelTableEntry, 'kernels' | 'shape'>,
): number {
  if (a.kernels !== b.kernels) return a.kernels < b.kernels ? -1 : 1
  for (const field of fields) if (a.shape[field] !== b.shape[field]) return a.shape[field] - b.shape[field]
  return 0
}
