// Parity with PyTorch against committed numbers (numbers.json, made by reference.py): runs where PyTorch is not.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Engine } from '../../../src/trainer/engine.ts'
import { openNativeEngine, probeNativeEngine } from '../../../src/trainer/engines/native.ts'
import { openTfjsEngine } from '../../../src/trainer/engines/tfjs.ts'
import { parameterEntries } from '../../../src/trainer/models/parameters.ts'
import { median, norm } from '../distance.ts'
import { bounds, computeFirstStep, computeSteps, graphOf, lossDistance, parity, type ParityCase } from './cases.ts'
import { sketch } from './sketch.ts'

const sketches = z.record(z.string(), z.object({ norm: z.number(), sketch: z.array(z.number()) }))
const numbersSchema = z.object({
  torch: z.string(),
  torchvision: z.string(),
  cases: z.record(
    z.string(),
    z.object({
      firstStep: z.object({ loss: z.number(), gradients: sketches, statistics: sketches }),
      runs: z.array(
        z.object({
          seed: z.number(),
          losses64: z.array(z.number()),
          losses32: z.array(z.number()),
          weightSketch: z.array(z.number()),
          weightNorm: z.number(),
          weightDistance32: z.number(),
        }),
      ),
    }),
  ),
})
const numbers = numbersSchema.parse(JSON.parse(readFileSync(new URL('numbers.json', import.meta.url), 'utf8')))

function numbersOf({ name }: ParityCase) {
  const found = numbers.cases[name]
  if (found === undefined) throw new RangeError(`numbers.json has no case ${name}: make it again`)
  return found
}

function compareFirstStep(open: () => Promise<Engine>, parityCase: ParityCase, syncShards?: number): void {
  const over = syncShards === undefined ? '' : ` with syncBatchNorm over ${syncShards} shards`
  test(`first step of ${parityCase.name}${over}: loss, every gradient, running statistics`, async () => {
    const expected = numbersOf(parityCase).firstStep
    const otherwise = syncShards === undefined ? {} : { syncBatchNorm: true, shards: syncShards }
    const { loss, gradients, state } = await computeFirstStep(await open(), parityCase, otherwise)
    expect(Math.abs(loss - expected.loss)).toBeLessThanOrEqual(bounds.loss)
    expect([...gradients.keys()].sort()).toEqual(Object.keys(expected.gradients).sort())
    const groups = [
      { actual: gradients, entries: expected.gradients, bound: bounds.gradient },
      { actual: state, entries: expected.statistics, bound: bounds.statistics },
    ]
    for (const { actual, entries, bound } of groups)
      for (const [name, entry] of Object.entries(entries)) {
        const data = actual.get(name)?.data ?? new Float32Array()
        const sums = sketch(data, name, entry.sketch.length)
        const apart = norm(entry.sketch.map((value, bucket) => (sums[bucket] ?? NaN) - value))
        expect(apart / entry.norm, `distance of ${name}`).toBeLessThanOrEqual(bound)
        expect(Math.abs(norm(data) / entry.norm - 1), `norm of ${name}`).toBeLessThanOrEqual(bound)
      }
  })
}

function compareSteps(open: () => Promise<Engine>, parityCase: ParityCase): void {
  const title = `${parity.steps} steps of ${parityCase.name}: as near to float64 as PyTorch in float32`
  test(title, { timeout: 300_000 }, async () => {
    const engine = await open()
    const parameters = parameterEntries(graphOf(parityCase)).map(({ name }) => name)
    const ratios: { weights: number; losses: number }[] = []
    for (const run of numbersOf(parityCase).runs) {
      const { losses, state } = await computeSteps(engine, parityCase, run.seed)
      const apart = new Float64Array(run.weightSketch.length)
      run.weightSketch.forEach((value, bucket) => (apart[bucket] = -value))
      for (const name of parameters) {
        const sums = sketch(state.get(name)?.data ?? [NaN], name, apart.length)
        sums.forEach((value, bucket) => (apart[bucket] = (apart[bucket] ?? NaN) + value))
      }
      ratios.push({
        weights: norm(apart) / run.weightNorm / run.weightDistance32,
        losses: lossDistance(losses, run.losses64) / lossDistance(run.losses32, run.losses64),
      })
    }
    expect(ratios.map(({ weights }) => weights)).toHaveLength(parityCase.seeds.length)
    expect(median(ratios.map(({ weights }) => weights))).toBeLessThanOrEqual(bounds.ratio)
    expect(median(ratios.map(({ losses }) => losses))).toBeLessThanOrEqual(bounds.ratio)
  })
}

test('the numbers are of the cases as they are', () => {
  expect(Object.keys(numbers.cases)).toEqual(parity.cases.map(({ name }) => name))
  for (const parityCase of parity.cases) {
    const { firstStep, runs } = numbersOf(parityCase)
    expect(runs.map(({ seed }) => seed)).toEqual(parityCase.seeds)
    for (const { losses64 } of runs) expect(losses64).toHaveLength(parity.steps)
    const names = parameterEntries(graphOf(parityCase)).map(({ name }) => name)
    expect(Object.keys(firstStep.gradients)).toEqual(names)
  }
})

const probe = probeNativeEngine()
describe(`engine native and PyTorch ${numbers.torch}`, () => {
  if (!probe.available) {
    test.skip(`skipped: ${probe.detail}`)
    return
  }
  for (const parityCase of parity.cases) {
    compareFirstStep(openNativeEngine, parityCase)
    // PyTorch on the whole batch, which is one shard, is what batch norm over the global batch must give.
    if (parityCase.architecture === 'RESNET18' && parityCase.shards === 1)
      compareFirstStep(openNativeEngine, parityCase, 4)
    if (parityCase.seeds.length > 0) compareSteps(openNativeEngine, parityCase)
  }
})

describe(`engine tfjs and PyTorch ${numbers.torch}`, () => {
  // A step of the others takes seconds on the wasm backend.
  for (const parityCase of parity.cases.slice(0, 1)) compareFirstStep(openTfjsEngine, parityCase)
})
