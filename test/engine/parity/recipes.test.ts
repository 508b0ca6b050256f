// Schedules and optimisers against PyTorch's own numbers (recipe-numbers.json, made by recipes.py): learning rates to
// rounding, and twenty steps of a small network by each recipe. Where a Python with torch is found (TRAINQL_PYTHON, else
// python3), its numbers of this very moment are those compared with; else the committed ones are.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { optimizerSchema, scheduleSchema } from '../../../src/shared/recipe.ts'
import type { Batch, Engine, StateDict } from '../../../src/trainer/engine.ts'
import { openNativeEngine, probeNativeEngine } from '../../../src/trainer/engines/native.ts'
import { openTfjsEngine } from '../../../src/trainer/engines/tfjs.ts'
import { parameterEntries } from '../../../src/trainer/models/parameters.ts'
import { learningRateAt } from '../../../src/trainer/schedule.ts'
import { median, norm } from '../distance.ts'
import { generateBatch, generateState } from '../generate.ts'
import { cpuDevices } from '../harness.ts'
import { everyLayer } from '../nets.ts'
import { createReference } from '../reference.ts'
import { bounds, lossDistance } from './cases.ts'
import { tryPython } from './python.ts'
import { sketch } from './sketch.ts'

const constant = { kind: 'CONSTANT' } as const
const specSchema = z.strictObject({
  schedules: z.array(
    z.strictObject({
      learningRate: z.number(),
      epochs: z.number(),
      stepsPerEpoch: z.number(),
      schedule: scheduleSchema,
    }),
  ),
  steps: z.number(),
  globalBatch: z.number(),
  seeds: z.array(z.number()),
  recipes: z.array(
    z.strictObject({
      name: z.string(),
      learningRate: z.number(),
      optimizer: optimizerSchema,
      schedule: scheduleSchema.prefault(constant),
      labelSmoothing: z.number().default(0),
      clipNorm: z.number().nullable().default(null),
    }),
  ),
})
type Recipe = z.output<typeof specSchema>['recipes'][number]

const numbersSchema = z.object({
  torch: z.string(),
  learningRates: z.array(z.array(z.number())),
  recipes: z.record(
    z.string(),
    z.array(
      z.object({
        losses64: z.array(z.number()),
        losses32: z.array(z.number()),
        weightSketch: z.array(z.number()),
        weightNorm: z.number(),
        weightDistance32: z.number(),
      }),
    ),
  ),
})
type Numbers = z.output<typeof numbersSchema>
type Run = Numbers['recipes'][string][number]

const spec = specSchema.parse(JSON.parse(readText('recipes.json')))
const committed = numbersSchema.parse(JSON.parse(readText('recipe-numbers.json')))
/** As recipes.py: of a recipe's steps, for schedules that count in epochs. */
const epochs = 2

function readText(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8')
}

function numbersOf({ recipes }: Numbers, { name }: Recipe): Run[] {
  const runs = recipes[name]
  if (runs === undefined) throw new RangeError(`recipe-numbers.json has no recipe ${name}: make it again`)
  return runs
}

interface Trainer {
  step(batch: Batch, learningRate: number): Promise<number> | number
  weights(): Promise<Map<string, ArrayLike<number>>> | Map<string, ArrayLike<number>>
}

/** Distance of the losses and of the weights after all steps from PyTorch's in float64. */
async function distances(trainer: Trainer, recipe: Recipe, { run, seed }: { run: Run; seed: number }) {
  const graph = everyLayer()
  const { steps, globalBatch } = spec
  const losses: number[] = []
  for (let step = 0; step < steps; step += 1) {
    const position = { step: step + 1, stepsPerEpoch: steps / epochs, totalSteps: steps }
    losses.push(await trainer.step(generateBatch(graph, globalBatch, { seed, step }), learningRateAt(recipe, position)))
  }
  const weights = await trainer.weights()
  const apart = run.weightSketch.map((value) => -value)
  for (const { name } of parameterEntries(graph)) {
    const sums = sketch(weights.get(name) ?? [NaN], name, apart.length)
    sums.forEach((value, bucket) => (apart[bucket] = (apart[bucket] ?? NaN) + value))
  }
  return { losses: lossDistance(losses, run.losses64), weights: norm(apart) / run.weightNorm }
}

async function engineDistances(engine: Engine, recipe: Recipe, expected: { run: Run; seed: number }) {
  const graph = everyLayer()
  const { optimizer, labelSmoothing, clipNorm } = recipe
  const shape = { graph, globalBatch: spec.globalBatch, shards: 1, devices: cpuDevices(1) }
  const session = await engine.open({ ...shape, optimizer, labelSmoothing, clipNorm })
  try {
    await session.writeState(generateState(graph, expected.seed))
    const trainer: Trainer = {
      step: async (batch, learningRate) => (await session.step(batch, learningRate)).loss,
      weights: async () => valuesOf(await session.readState()),
    }
    return await distances(trainer, recipe, expected)
  } finally {
    await session.close()
  }
}

function valuesOf(state: StateDict): Map<string, Float32Array> {
  return new Map([...state].map(([name, { data }]) => [name, data]))
}

const output = await tryPython('recipes.py')
const live = 'stdout' in output ? numbersSchema.parse(JSON.parse(output.stdout)) : null
const numbers = live ?? committed

test('the committed numbers are of the schedules and recipes as they are', () => {
  expect(committed.learningRates.map(({ length }) => length)).toEqual(
    spec.schedules.map((schedule) => schedule.epochs * schedule.stepsPerEpoch),
  )
  expect(Object.keys(committed.recipes)).toEqual(spec.recipes.map(({ name }) => name))
  for (const recipe of spec.recipes) {
    const runs = numbersOf(committed, recipe)
    expect(runs).toHaveLength(spec.seeds.length)
    for (const { losses64 } of runs) expect(losses64).toHaveLength(spec.steps)
  }
})

test('the committed numbers are what PyTorch computes here', (context) => {
  if (live === null) return context.skip('missing' in output ? output.missing : undefined)
  committed.learningRates.forEach((rates, index) => expectRates(live.learningRates[index] ?? [], rates))
  for (const recipe of spec.recipes)
    numbersOf(committed, recipe).forEach((run, index) => {
      const here = numbersOf(live, recipe)[index]
      expect(lossDistance(here?.losses64 ?? [], run.losses64), recipe.name).toBeLessThanOrEqual(1e-9)
      const apart = norm(run.weightSketch.map((value, bucket) => (here?.weightSketch[bucket] ?? NaN) - value))
      expect(apart / run.weightNorm, recipe.name).toBeLessThanOrEqual(1e-9)
    })
})

function expectRates(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length)
  actual.forEach((rate, index) =>
    expect(Math.abs(rate / (expected[index] ?? NaN) - 1), `step ${index + 1}`).toBeLessThanOrEqual(1e-9),
  )
}

describe(`PyTorch ${numbers.torch} (${live === null ? 'committed' : 'live'})`, () => {
  test.each(spec.schedules.map((schedule, index) => ({ ...schedule, index })))(
    'learning rates of $schedule over $epochs epochs of $stepsPerEpoch steps',
    ({ index, ...run }) => {
      const totalSteps = run.epochs * run.stepsPerEpoch
      const rates = Array.from({ length: totalSteps }, (_, step) =>
        learningRateAt(run, { step: step + 1, stepsPerEpoch: run.stepsPerEpoch, totalSteps }),
      )
      expectRates(rates, numbers.learningRates[index] ?? [])
    },
  )

  test.each(spec.recipes)('$name: the float64 reference takes the same steps', async (recipe) => {
    const graph = everyLayer()
    for (const [index, run] of numbersOf(numbers, recipe).entries()) {
      const seed = spec.seeds[index] ?? NaN
      const reference = createReference({ graph, shards: 1, ...recipe }, generateState(graph, seed))
      const trainer: Trainer = {
        step: (batch, learningRate) => reference.step(batch, learningRate),
        weights: () => reference.state,
      }
      const { losses, weights } = await distances(trainer, recipe, { run, seed })
      expect(losses, 'losses').toBeLessThanOrEqual(1e-10)
      expect(weights, 'weights').toBeLessThanOrEqual(1e-10)
    }
  })

  const native = probeNativeEngine()
  const engines: [string, (() => Promise<Engine>) | null][] = [
    ['native', native.available ? openNativeEngine : null],
    ['tfjs', openTfjsEngine],
  ]
  for (const [name, open] of engines)
    describe(`engine ${name}`, () => {
      if (open === null) {
        test.skip(`skipped: ${native.detail}`)
        return
      }
      test.each(spec.recipes)('$name: as near to float64 as PyTorch in float32', async (recipe) => {
        const engine = await open()
        const ratios: { losses: number; weights: number }[] = []
        for (const [index, run] of numbersOf(numbers, recipe).entries()) {
          const seed = spec.seeds[index] ?? NaN
          const { losses, weights } = await engineDistances(engine, recipe, { run, seed })
          ratios.push({
            losses: losses / lossDistance(run.losses32, run.losses64),
            weights: weights / run.weightDistance32,
          })
        }
        expect(median(ratios.map(({ losses }) => losses))).toBeLessThanOrEqual(bounds.ratio)
        expect(median(ratios.map(({ weights }) => weights))).toBeLessThanOrEqual(bounds.ratio)
      })
    })
})
