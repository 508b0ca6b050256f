// What the tuning command makes of its timings, and of the table that is there.
import { expect, test } from 'vitest'
import { BenchError } from '../../bench/bench.ts'
import { choose } from '../../bench/tune/choose.ts'
import { parseTable, renderEntry, renderTable, sameKey } from '../../bench/tune/table-file.ts'
import type { Algorithms, ConvolutionAlgorithm, KernelTableEntry } from '../../src/trainer/engines/kernel-table.ts'

const byWinograd: Algorithms = { forward: 'winograd', dataGradient: 'winograd', weightGradient: 'winograd' }

test('an algorithm takes the place of the rule where it is quicker by more than 3 %, for its direction alone', () => {
  const timed = (winograd: number, direct: number) =>
    new Map<ConvolutionAlgorithm, number>([
      ['winograd', winograd],
      ['direct', direct],
    ])
  const timings = { forward: timed(100, 98), dataGradient: timed(100, 200), weightGradient: timed(100, 50) }
  expect(choose(byWinograd, timings)).toEqual({
    algorithms: { ...byWinograd, weightGradient: 'direct' },
    gain: 300 / 250,
  })
  expect(choose(byWinograd, { ...timings, weightGradient: timed(100, 98) })).toEqual({
    algorithms: byWinograd,
    gain: 1,
  })
  const untimed = { ...timings, forward: new Map<ConvolutionAlgorithm, number>([['direct', 1]]) }
  expect(() => choose(byWinograd, untimed)).toThrow(RangeError)
})

test('the table keeps what was not timed as it is, in order', () => {
  const shape = {
    inChannels: 64,
    outChannels: 64,
    kernel: 3,
    stride: 1,
    padding: 1,
    height: 7,
    width: 7,
    shardBatch: 64,
  }
  const entry: KernelTableEntry = { kernels: 'avx512', shape, algorithms: { ...byWinograd, forward: 'direct' } }
  const kept = '{"avx2", {64, 64, 3, 1, 1, 7, 7, 64}, {direct, direct, winograd}},  // as someone else timed it'
  const text = renderTable([
    renderEntry({ ...entry, shape: { ...shape, shardBatch: 128 } }, 1.5),
    renderEntry(entry, 1.0789),
    ...parseTable(kept),
  ])
  expect(text.split('\n').filter((line) => !line.startsWith('//'))).toEqual([
    kept,
    '{"avx512", {64, 64, 3, 1, 1, 7, 7, 64}, {direct, winograd, winograd}},  // 1.08x',
    '{"avx512", {64, 64, 3, 1, 1, 7, 7, 128}, {direct, winograd, winograd}},  // 1.50x',
    '',
  ])
  expect(renderTable(parseTable(text))).toBe(text)
  expect(parseTable(text)[1]?.entry).toEqual(entry)
  expect(sameKey(entry, { kernels: 'avx512', shape: { ...shape } })).toBe(true)
  expect(sameKey(entry, { kernels: 'avx2', shape })).toBe(false)
  expect(sameKey(entry, { kernels: 'avx512', shape: { ...shape, width: 8 } })).toBe(false)
})

test('a line that is no entry is named', () => {
  expect(() => parseTable('{"avx512", {64, 64}, {direct}},')).toThrow(BenchError)
  expect(() => parseTable('{"avx512", {64, 64}, {direct}},')).toThrow('got "{"avx512", {64, 64}, {direct}},"')
})
