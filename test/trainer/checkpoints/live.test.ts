// Checkpoints of PyTorch itself, live and at full width: where a Python with torch and torchvision is found (TRAINQL_PYTHON,
// else python3). Every form is imported to the same bits, logits agree, and a training goes on with equal losses. With
// PARITY=full that is so of ResNet-50 and ResNet-152 too.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { parseRunSpec } from '../../../src/shared/run-spec.ts'
import { importCheckpoint } from '../../../src/trainer/checkpoints/actions/import.ts'
import { loadWeights, readManifest } from '../../../src/trainer/checkpoints/load.ts'
import type { HostTensor, StateDict } from '../../../src/trainer/engine.ts'
import { openEngine } from '../../../src/trainer/engines/open.ts'
import { openInitialWeights } from '../../../src/trainer/initial-weights.ts'
import { resnet } from '../../../src/trainer/models/resnet.ts'
import { cpuDevices, optimizerOf, sgd } from '../../engine/harness.ts'
import { runPython, tryPython } from '../../engine/parity/python.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'

const script = new URL('./live.py', import.meta.url).href
const probe = await tryPython(script, 'probe', '-')
const title = `PyTorch${'missing' in probe ? `, skipped: ${probe.missing}` : ''}`
const depths = process.env['PARITY'] === 'full' ? ([18, 50, 152] as const) : ([18] as const)
const forms = [
  ...['state-dict', 'legacy', 'data-parallel', 'compiled', 'lightning', 'imagenet-example'],
  ...['whole-model', 'whole-legacy', 'whole-data-parallel'],
]
const minutes = 60_000
const devices = cpuDevices(1)

async function python(...args: string[]): Promise<unknown> {
  return JSON.parse(await runPython(script, ...args))
}

function floats(folder: string, name: string): Float32Array {
  return new Float32Array(new Uint8Array(readFileSync(join(folder, name))).buffer)
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a).toHaveLength(b.length)
  return a.reduce((most, value, index) => Math.max(most, Math.abs(value - (b[index] ?? NaN))), 0)
}

function importInto(folder: string, file: string) {
  const target = { architecture: null, classes: null, inputChannels: null }
  return importCheckpoint({ file, folder, target, allowPartial: false, data: null }, () => undefined)
}

async function logitsOf(depth: 18 | 50 | 152, state: StateDict, images: Float32Array): Promise<Float32Array> {
  const input = { channels: 3, height: 64, width: 64 }
  const graph = resnet({ architecture: `RESNET${depth}`, input, classes: 10 })
  const engine = await openEngine('AUTO', devices)
  const session = await engine.open({ graph, globalBatch: 2, shards: 1, devices, optimizer: sgd })
  try {
    await session.writeState(state)
    return await session.predict(images)
  } finally {
    await session.close()
  }
}

describe.skipIf('missing' in probe)(title, () => {
  test.each(depths)(
    'ResNet-%i: every form is imported to the same bits, and logits agree within 1e-4',
    async (depth) => {
      const folder = temporaryFolder()
      const hashes = new Map<string, string>()
      await python('forms', folder, String(depth), ...forms)
      for (const form of forms) {
        const { report, sha256 } = await importInto(join(folder, `imported-${form}`), join(folder, form))
        expect(report.recognised).toEqual({ architecture: `RESNET${depth}`, classes: 10, inputChannels: 3 })
        hashes.set(form, sha256)
        rmSync(join(folder, form))
        if (form !== 'state-dict') rmSync(join(folder, `imported-${form}`), { recursive: true })
      }
      expect([...new Set(hashes.values())]).toHaveLength(1)
      const { state } = await loadWeights(join(folder, 'imported-state-dict'))
      const expected = floats(folder, 'logits')
      const difference = largestDifference(await logitsOf(depth, state, floats(folder, 'images')), expected)
      const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      console.log(
        `ResNet-${depth}: ${forms.length} forms, logits up to ${scale.toFixed(3)}, differ by ${difference.toExponential(2)}`,
      )
      expect(difference).toBeLessThan(1e-4)
    },
    15 * minutes,
  )

  const trainingSchema = z.object({ losses: z.array(z.number()), labels: z.array(z.array(z.number())) })
  test.each([
    ['SGD', { optimizer: optimizerOf({ kind: 'SGD', momentum: 0.9, weightDecay: 1e-4 }), learningRate: 1e-4 }],
    ['Adam', { optimizer: optimizerOf({ kind: 'ADAM', weightDecay: 0.01 }), learningRate: 1e-4 }],
    ['AdamW', { optimizer: optimizerOf({ kind: 'ADAMW', weightDecay: 0.01 }), learningRate: 1e-4 }],
  ] as const)('%s: a training goes on here with the losses it has there, for ten steps', async (kind, recipe) => {
    const folder = temporaryFolder()
    const { losses, labels } = trainingSchema.parse(await python('training', folder, kind))
    const imported = await importInto(join(folder, 'imported'), join(folder, 'checkpoint.pth.tar'))
    expect(imported.hasOptimizer).toBe(true)
    const { optimizer } = await readManifest(join(folder, 'imported'))
    expect(optimizer).toMatchObject({ ...recipe.optimizer, learningRate: recipe.learningRate })

    const graph = resnet({ architecture: 'RESNET18', input: { channels: 3, height: 32, width: 32 }, classes: 10 })
    const spec = parseRunSpec({
      runId: 'r',
      model: { architecture: 'RESNET18' },
      dataset: 'any',
      epochs: 1,
      globalBatch: 16,
      shards: 1,
      devices: { kind: 'COUNT', count: 1, deviceKind: 'CPU' },
      ...recipe,
      initialise: { kind: 'CHECKPOINT', checkpoint: 'imported/a', sha256: imported.sha256, optimizer: true },
    })
    const initial = await openInitialWeights({ spec, graph, folder: join(folder, 'imported') })
    const engine = await openEngine('AUTO', devices)
    const session = await engine.open({ graph, globalBatch: 16, shards: 1, devices, optimizer: spec.optimizer })
    const found: number[] = []
    try {
      await session.writeState(initial?.state ?? new Map<string, HostTensor>())
      await session.writeOptimizerState(initial?.optimizerState ?? { step: 0, tensors: new Map() })
      const images = floats(folder, 'images')
      const size = 16 * 3 * 32 * 32
      for (const [step, batch] of labels.entries()) {
        const input = { images: images.slice(step * size, (step + 1) * size), labels: Int32Array.from(batch) }
        found.push((await session.step(input, spec.learningRate)).loss)
      }
    } finally {
      await session.close()
    }
    const relative = losses.map((loss, step) => Math.abs((found[step] ?? NaN) - loss) / Math.abs(loss))
    console.log(
      `${kind}: losses ${losses[0]?.toFixed(4)} … ${losses.at(-1)?.toFixed(4)}, differ by ${Math.max(...relative).toExponential(2)} at most, ${relative[0]?.toExponential(2)} at the first step`,
    )
    expect(losses).toHaveLength(10)
    // Two roundings of one training drift apart, step by step; a state that was not taken over shows at once.
    expect(Math.max(...relative.slice(0, 4))).toBeLessThan(1e-5)
    expect(Math.max(...relative)).toBeLessThan(1e-3)
  })
})
