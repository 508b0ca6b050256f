// The kernel table: what it says can be planned, its algorithms agree, and nothing but shape and kernels decides.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { convolutionsOf, hasAlternatives, tunables } from '../../bench/tune/shapes.ts'
import { parseTable, renderTable, tableFile } from '../../bench/tune/table-file.ts'
import type { Precision } from '../../src/shared/run-spec.ts'
import {
  convolutionDirections,
  type Algorithms,
  type ConvolutionAlgorithm,
  type ConvolutionShape,
} from '../../src/trainer/engines/kernel-table.ts'
import { openKernelTable, openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { relativeDistance } from './distance.ts'

const square = { kernel: 3, stride: 1, padding: 1 }
const shapes: ConvolutionShape[] = [
  { ...square, inChannels: 64, outChannels: 64, height: 7, width: 7, shardBatch: 8 },
  // Tiles and channels that leave rests, an odd batch.
  { ...square, inChannels: 5, outChannels: 7, height: 6, width: 9, shardBatch: 3 },
  { ...square, inChannels: 40, outChannels: 24, height: 2, width: 2, shardBatch: 1 },
]

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`kernel table${probe.available ? '' : ` (skipped: ${probe.detail})`}`, () => {
  const table = openKernelTable()
  const precisions: Precision[] = table.supportsBf16() ? ['FP32', 'BF16'] : ['FP32']

  test('the addon has the committed file, which is sorted and names nothing twice', () => {
    const text = readFileSync(tableFile, 'utf8')
    const lines = parseTable(text)
    expect(table.kernelTable()).toEqual(lines.map(({ entry }) => entry))
    expect(renderTable(lines)).toBe(text)
    const keys = lines.map(({ entry }) => JSON.stringify([entry.kernels, entry.shape]))
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('every entry is for kernels that exist and for algorithms that the planner accepts', () => {
    for (const { kernels, shape, algorithms } of table.kernelTable()) {
      expect(['avx512', 'amx_bf16', 'avx512_bf16', 'avx2', 'portable']).toContain(kernels)
      const accepted = table.acceptedAlgorithms(shape)
      for (const direction of convolutionDirections) expect(accepted).toContain(algorithms[direction])
    }
  })

  test('the table chooses where it has an entry, the rule elsewhere', () => {
    for (const precision of precisions) {
      const entries = table.kernelTable().filter(({ kernels }) => kernels === table.kernelsName(precision))
      for (const { shape, algorithms } of entries) {
        expect(table.chosenAlgorithms(precision, shape)).toEqual(algorithms)
        expect(table.algorithmsByRule(precision, shape)).not.toEqual(algorithms)
        const other = { ...shape, shardBatch: 7919 }
        expect(table.chosenAlgorithms(precision, other)).toEqual(table.algorithmsByRule(precision, other))
      }
    }
    const small = { ...square, inChannels: 8, outChannels: 8, height: 3, width: 3, shardBatch: 7919 }
    expect(table.chosenAlgorithms('FP32', small)).toEqual(all('winograd'))
    expect(table.chosenAlgorithms('FP32', { ...small, height: 2 })).toEqual(all('direct'))
    expect(table.chosenAlgorithms('FP32', { ...small, stride: 2 })).toEqual(all('direct'))
  })

  test('its version stands in the detail of the engine', async () => {
    const version = table.kernelTableVersion()
    expect(version).toMatch(/^[0-9a-f]{8}$/)
    for (const precision of precisions) {
      const { detail } = await openNativeEngine(precision)
      expect(detail).toBe(`${table.kernelsName(precision)}, kernel table ${version}`)
    }
  })

  test('the rows of the tuning command are the convolutions that have a choice', () => {
    const graphs = (['RESNET18', 'RESNET50'] as const).flatMap((architecture) =>
      [28, 32, 224].map((size) =>
        resnet({ architecture, classes: 10, input: { channels: 3, height: size, width: size } }),
      ),
    )
    const convolutions = graphs.flatMap((graph) => convolutionsOf(graph, 4))
    expect(convolutions.filter(hasAlternatives).length).toBeGreaterThan(20)
    for (const shape of convolutions) expect(table.acceptedAlgorithms(shape).length > 1).toBe(hasAlternatives(shape))
    const rows = tunables()
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
    expect(rows.map(({ name }) => name)).toContain('3x3s1-64to64-7x7-b64-fp32')
    for (const { shape } of rows) expect(hasAlternatives(shape)).toBe(true)
  })

  const cases = precisions.flatMap((precision) =>
    shapes.map((shape): [string, Precision, ConvolutionShape] => [
      `${precision} ${shape.inChannels} to ${shape.outChannels} channels on ${shape.height}x${shape.width}`,
      precision,
      shape,
    ]),
  )
  test.each(cases)('%s: algorithms agree, and each direction has its own', (_, precision, shape) => {
    const compute = (algorithms: Algorithms) =>
      table.computeConvolution({ shape, precision, algorithms, core: 0, repetitions: 0 })
    const direct = compute(all('direct'))
    const winograd = compute(all('winograd'))
    // In bf16 the direct product rounds the weights to 8 bits, Winograd's does not.
    const tolerance = precision === 'BF16' ? 1e-2 : 1e-5
    expect(direct.output).toHaveLength(shape.outChannels * shape.height * shape.width * shape.shardBatch)
    for (const part of ['output', 'inputGradient', 'weightGradient'] as const) {
      expect(direct[part].some((value) => value !== 0)).toBe(true)
      expect(relativeDistance(winograd[part], direct[part]), part).toBeLessThanOrEqual(tolerance)
      expect(relativeDistance(winograd[part], direct[part]), part).toBeGreaterThan(0)
    }
    const first = compute({ forward: 'winograd', dataGradient: 'direct', weightGradient: 'direct' })
    expect(first).toEqual({ ...direct, output: winograd.output })
    const second = compute({ forward: 'direct', dataGradient: 'winograd', weightGradient: 'direct' })
    expect(second).toEqual({ ...direct, inputGradient: winograd.inputGradient })
    const third = compute({ forward: 'direct', dataGradient: 'direct', weightGradient: 'winograd' })
    expect(third).toEqual({ ...direct, weightGradient: winograd.weightGradient })
  })

  test('an algorithm that cannot compute a convolution is refused', () => {
    const shape = { ...square, stride: 2, inChannels: 8, outChannels: 8, height: 8, width: 8, shardBatch: 2 }
    const trial = { shape, precision: 'FP32', core: 0, repetitions: 1 } as const
    expect(() => table.timeConvolution({ ...trial, algorithms: all('winograd') })).toThrow('got winograd')
  })

  test('a trial times every part as often as asked', () => {
    const shape = { ...square, inChannels: 8, outChannels: 8, height: 4, width: 4, shardBatch: 2 }
    const times = table.timeConvolution({
      shape,
      precision: 'FP32',
      algorithms: all('winograd'),
      core: 0,
      repetitions: 2,
    })
    expect(Object.keys(times).sort()).toEqual(['dataGradient', 'forward', 'weightCopies', 'weightGradient'])
    for (const seconds of Object.values(times)) {
      expect(seconds).toHaveLength(2)
      for (const one of seconds) expect(one).toBeGreaterThan(0)
    }
  })
})

function all(algorithm: ConvolutionAlgorithm): Algorithms {
  return { forward: algorithm, dataGradient: algorithm, weightGradient: algorithm }
}
