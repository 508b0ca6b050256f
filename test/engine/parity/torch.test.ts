// Parity with PyTorch, live: where a Python with torch and torchvision is found (TRAINQL_PYTHON, else python3).
// With PARITY=full every case is trained for all its seeds; else the quickest is, and the others by numbers.test.ts.
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Engine } from '../../../src/trainer/engine.ts'
import { openNativeEngine, probeNativeEngine } from '../../../src/trainer/engines/native.ts'
import { openTfjsEngine } from '../../../src/trainer/engines/tfjs.ts'
import { parameterEntries, stateEntries } from '../../../src/trainer/models/parameters.ts'
import { median, norm, relativeDistance } from '../distance.ts'
import { bounds, computeFirstStep, computeSteps, graphOf, lossDistance, parity, type ParityCase } from './cases.ts'
import { runPython, tryPython } from './python.ts'

const minutes = 60_000

const lengths = z.array(z.tuple([z.string(), z.number()]))
const firstStepSchema = z.object({ loss: z.number(), tensors: lengths })
const stepsSchema = z.object({
  losses64: z.array(z.number()),
  losses32: z.array(z.number()),
  weightDistance32: z.number(),
  tensors: lengths,
})

/** What reference.py wrote: its report, and its tensors by name. */
async function readResult<S extends z.ZodType<{ tensors: [string, number][] }>>(stem: string, schema: S) {
  const report = schema.parse(JSON.parse(await readFile(`${stem}.json`, 'utf8')))
  const file = await readFile(`${stem}.bin`)
  const values = new Float32Array(file.buffer, file.byteOffset, file.byteLength / 4)
  const tensors = new Map<string, Float32Array>()
  let at = 0
  for (const [name, length] of report.tensors) {
    tensors.set(name, values.subarray(at, at + length))
    at += length
  }
  return { report, tensors }
}

const probe = await tryPython('reference.py', 'probe')
const torch =
  'missing' in probe ? probe : { version: z.object({ torch: z.string() }).parse(JSON.parse(probe.stdout)).torch }
const native = probeNativeEngine()

describe.skipIf('missing' in torch)(
  `PyTorch ${'version' in torch ? torch.version : `skipped: ${torch.missing}`}`,
  () => {
    let folder: string
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'trainql-parity-'))
    })
    afterAll(() => rm(folder, { recursive: true, force: true }))

    async function compareFirstStep(engines: (() => Promise<Engine>)[], parityCase: ParityCase): Promise<void> {
      await runPython('reference.py', 'first-step', folder, parityCase.name)
      const { report, tensors } = await readResult(join(folder, 'first-step'), firstStepSchema)
      const roles = new Map(stateEntries(graphOf(parityCase)).map(({ name, role }) => [name, role]))
      expect(tensors.size).toBe([...roles.values()].filter((role) => role !== 'batchesTracked').length)
      for (const open of engines) {
        const engine = await open()
        const { loss, gradients, state } = await computeFirstStep(engine, parityCase)
        expect(Math.abs(loss - report.loss), engine.name).toBeLessThanOrEqual(bounds.loss)
        for (const [name, expected] of tensors) {
          const isGradient = gradients.has(name)
          const actual = (isGradient ? gradients : state).get(name)?.data ?? []
          const bound = isGradient ? bounds.gradient : bounds.statistics
          expect(relativeDistance(actual, expected), `${engine.name}: ${name}`).toBeLessThanOrEqual(bound)
        }
      }
    }

    async function compareSteps(engine: Engine, parityCase: ParityCase): Promise<void> {
      const ratios: { weights: number; losses: number }[] = []
      const names = parameterEntries(graphOf(parityCase)).map(({ name }) => name)
      await runPython('reference.py', 'steps', folder, parityCase.name, ...parityCase.seeds.map(String))
      for (const seed of parityCase.seeds) {
        const stem = join(folder, `seed-${seed}`)
        const { report, tensors } = await readResult(stem, stepsSchema)
        await rm(`${stem}.bin`)
        const { losses, state } = await computeSteps(engine, parityCase, seed)
        expect([...tensors.keys()]).toEqual(names)
        const sizes = names.map((name) => norm(tensors.get(name) ?? [NaN]))
        const distances = names.map(
          (name, index) =>
            relativeDistance(state.get(name)?.data ?? [], tensors.get(name) ?? []) * (sizes[index] ?? NaN),
        )
        ratios.push({
          weights: norm(distances) / norm(sizes) / report.weightDistance32,
          losses: lossDistance(losses, report.losses64) / lossDistance(report.losses32, report.losses64),
        })
      }
      expect(median(ratios.map(({ weights }) => weights))).toBeLessThanOrEqual(bounds.ratio)
      expect(median(ratios.map(({ losses }) => losses))).toBeLessThanOrEqual(bounds.ratio)
    }

    for (const [index, parityCase] of parity.cases.entries()) {
      const engines = [...(index === 0 ? [openTfjsEngine] : []), ...(native.available ? [openNativeEngine] : [])]
      const without = native.available ? '' : ` (without the native engine: ${native.detail})`
      test.skipIf(engines.length === 0)(
        `first step of ${parityCase.name}: loss, every gradient, running statistics${without}`,
        { timeout: 5 * minutes },
        () => compareFirstStep(engines, parityCase),
      )

      if (parityCase.seeds.length === 0) continue
      const title = `${parity.steps} steps of ${parityCase.name}, ${parityCase.seeds.length} seeds: as near to float64 as PyTorch in float32`
      const quick = index === 1
      if (!native.available) test.skip(`${title} (skipped: ${native.detail})`)
      else if (!quick && process.env['PARITY'] !== 'full')
        test.skip(`${title} (skipped: takes minutes, set PARITY=full)`)
      else test(title, { timeout: 20 * minutes }, async () => compareSteps(await openNativeEngine(), parityCase))
    }
  },
)
