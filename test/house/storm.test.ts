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
const strict = { maxAttempts: 50, backoffSeconds: 0, unreachableSeconds: 4, stalledSeconds: 4 }

const faults = 11
/** Only bounds what hangs. */
const withinMs = 280_000

test(
  'a fault of each kind and more, and no event, device, process or bit is missing',
  async (context) => {
    const { answer, evidence } = await launchStorm({
      seed: 3,
      faults,
      pace: 0.3,
      kinds: faultKinds,
      // Both train the same: there is one undisturbed reference to train.
      recipes: [small, { ...small, retry: strict }],
      runs: { atOnce: 2, atMost: 50 },
      stormMs: withinMs / 2,
      settleMs: withinMs / 4,
      withinMs,
    })
    const { skipped } = answer
    const possible = faultKinds.filter((kind: FaultKind) => skipped[kind] === undefined)
    expect(answer.broken).toEqual(nothingBroken())
    const counts = countKinds(faults, possible)
    expect(answer.kinds.map(({ kind, injected }) => [kind, injected])).toEqual(
      possible.sort().map((kind) => [kind, counts[kind]]),
    )
    for (const kind of answer.kinds) expect(kind).toMatchObject({ lostEvents: 0, doubledEvents: 0, notBitEqual: 0 })
    expect(answer.faults).toBe(faults)
    expect(answer.killsEqualToLog).toBe(answer.serverKills)
    expect(answer.serverKills).toBe(counts['server-kills'])
    expect(answer.runs).toBeGreaterThanOrEqual(2)
    // Logs went on in other files all along.
    expect(answer.logParts).toBeGreaterThan(answer.attempts)
    expect(existsSync(evidence)).toBe(false)
    for (const [kind, why] of Object.entries(skipped)) await context.annotate(`no ${kind}: ${why}`)
  },
  withinMs + 20_000,
)
