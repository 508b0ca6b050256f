// What a schedule promises whatever its numbers; test/engine/parity/recipes.test.ts has PyTorch's.
import { expect, test } from 'vitest'
import { scheduleSchema } from '../../src/shared/recipe.ts'
import { learningRateAt } from '../../src/trainer/schedule.ts'

const lengths = [
  { epochs: 1, stepsPerEpoch: 1 },
  { epochs: 1, stepsPerEpoch: 10 },
  { epochs: 7, stepsPerEpoch: 3 },
  { epochs: 90, stepsPerEpoch: 41 },
]

function ratesOf(settings: unknown, { epochs, stepsPerEpoch }: { epochs: number; stepsPerEpoch: number }): number[] {
  const schedule = scheduleSchema.parse(settings)
  const totalSteps = epochs * stepsPerEpoch
  return Array.from({ length: totalSteps }, (_, index) =>
    learningRateAt({ schedule, learningRate: 0.5 }, { step: index + 1, stepsPerEpoch, totalSteps }),
  )
}

test.each([
  { kind: 'CONSTANT' },
  { kind: 'STEP', stepEpochs: 2 },
  { kind: 'COSINE' },
  { kind: 'COSINE', minimum: 0.5 },
  { kind: 'ONE_CYCLE' },
  { kind: 'ONE_CYCLE', peakShare: 0.5 },
  { kind: 'ONE_CYCLE', startFactor: 1, endFactor: 1 },
])('%j is above zero and at most the learning rate, in runs of every length', (settings) => {
  for (const length of lengths)
    for (const rate of ratesOf(settings, length)) {
      expect(rate).toBeGreaterThan(0)
      expect(rate).toBeLessThanOrEqual(0.5)
    }
})

test('STEP falls where an epoch begins, with and without a warm-up', () => {
  const length = { epochs: 4, stepsPerEpoch: 3 }
  const decayed = [1, 1, 1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1].map((factor) => 0.5 * factor)
  expect(ratesOf({ kind: 'STEP', stepEpochs: 2 }, length)).toEqual(decayed)
  expect(ratesOf({ kind: 'STEP', stepEpochs: 2, warmUpSteps: 2 }, length)).toEqual([0.25, ...decayed.slice(1)])
})

test('ONE_CYCLE whose peak is the first step begins there', () => {
  // peakShare * steps = 1: PyTorch divides by zero here.
  const rates = ratesOf({ kind: 'ONE_CYCLE', peakShare: 0.25, endFactor: 0.1 }, { epochs: 1, stepsPerEpoch: 4 })
  expect(rates[0]).toBe(0.5)
  expect(rates.at(-1)).toBeCloseTo(0.05, 12)
})
