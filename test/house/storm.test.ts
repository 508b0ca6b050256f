// A small storm over real processes, from a fixed seed: what `npm run bench -- chaos` does for ten minutes. It runs the built
// server, which `npm test` builds.
import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { CreateRunInput } from '../../src/sdk/index.ts'
import { nothingBroken } from '../../bench/chaos/invariants.ts'
import { launchStorm } from '../../bench/chaos/launch.ts'
import { countKinds, type FaultKind, faultKinds } from '../../bench/chaos/plan.ts'

const small: CreateRunInput = {
  dataset: 'shapes',
  engine: 'NATIVE',
  trainImages: 64,
  validationImages: 16,
  globalBatch: 16,
  epochs: 3,
  checkpoints: { keepLast: 1 },
  devices: { count: 1 },
}

const faults = 10
/** Only bounds what hangs. */
const withinMs = 280_000

test(
  'ten faults, and no event, device, process or bit is missing',
  async (context) => {
    const { answer, evidence } = await launchStorm({
      seed: 3,
      faults,
      pace: 0.3,
      kinds: faultKinds,
      recipes: [
        { ...small, seed: '1' },
        { ...small, seed: '2' },
      ],
      runs: { atOnce: 2, atMost: 50 },
      stormMs: withinMs / 2,
      settleMs: withinMs / 4,
      withinMs,
    })
    const { skipped } = answer
    const possible = faultKinds.filter((kind: FaultKind) => skipped[kind] === undefined)
    expect(answer.broken).toEqual(nothingBroken())
    expect(answer.injected).toEqual(
      Object.fromEntries(Object.entries(countKinds(faults, possible)).filter(([, count]) => count > 0)),
    )
    expect(answer.faults).toBe(faults)
    expect(answer.killsEqualToLog).toBe(answer.serverKills)
    expect(answer.serverKills).toBe(countKinds(faults, possible)['server-kills'])
    expect(answer.serverDeaths).toBe(0)
    expect(answer.runs).toBeGreaterThanOrEqual(2)
    expect(existsSync(evidence)).toBe(false)
    for (const [kind, why] of Object.entries(skipped)) await context.annotate(`no ${kind}: ${why}`)
  },
  withinMs + 20_000,
)
