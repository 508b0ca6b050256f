// The contract every engine keeps: an engine runs the whole suite in a few lines.
import { afterAll, describe, expect, test } from 'vitest'
import type { Engine } from '../../src/trainer/engine.ts'
import { describeArithmetic } from './contract-arithmetic.ts'
import { describeGlobalBatchNorm } from './contract-batch-norm.ts'
import { describeRecipes } from './contract-recipes.ts'
import { describeSessions } from './contract-sessions.ts'
import { createHarness, type Tolerances } from './harness.ts'

export function describeEngine(
  name: string,
  open: () => Promise<Engine>,
  { tolerances }: { tolerances: Tolerances },
): void {
  describe(`engine ${name}`, () => {
    const harness = createHarness(open, tolerances)
    afterAll(() => harness.closeAll())

    test('names itself', async () => {
      const engine = await harness.engine()
      expect(engine.name).toBe(name)
      expect(engine.detail).not.toBe('')
    })
    describeArithmetic(harness)
    describeGlobalBatchNorm(harness)
    describeRecipes(harness)
    describeSessions(harness)
  })
}
