// The native engine, where its addon is built.
import { describe, test } from 'vitest'
import { openNativeEngine, probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { describeEngine } from './contract.ts'

const probe = probeNativeEngine()
if (probe.available) {
  describeEngine('native', openNativeEngine, { tolerances: { loss: 3e-6, firstStep: 5e-5, fewSteps: 1e-4 } })
} else {
  describe('engine native', () => {
    test.skip(`skipped: ${probe.detail}`)
  })
}
