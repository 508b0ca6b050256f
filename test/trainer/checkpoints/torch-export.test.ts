// PyTorch files of ours: our reader finds in them what was written, and PyTorch itself loads them strictly and without
// running pickle, has the engine's logits, and trains on as we do. Live, where a Python with torchvision is found.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test, type TestContext } from 'vitest'
import { askCheckpointProcess } from '../../../src/shared/checkpoint-process.ts'
import { encodeSafetensors } from '../../../src/trainer/checkpoints/safetensors.ts'
import { toRawTensors } from '../../../src/trainer/checkpoints/state-dict.ts'
import { openTensorFile } from '../../../src/trainer/checkpoints/formats/open.ts'
import type {
  FileDict,
  FileTensor,
  FileValue,
  TensorFile,
} from '../../../src/trainer/checkpoints/formats/tensor-file.ts'
import type { Batch, HostTensor, Session } from '../../../src/trainer/engine.ts'
import { openEngine } from '../../../src/trainer/engines/open.ts'
import { parameterEntries } from '../../../src/trainer/models/parameters.ts'
import { resnet } from '../../../src/trainer/models/resnet.ts'
import type { OptimizerSpec } from '../../../src/shared/recipe.ts'
import { generateBatch, generateState } from '../../engine/generate.ts'
import { cpuDevices, optimizerOf } from '../../engine/harness.ts'
import { tryPython } from '../../engine/parity/python.ts'
import { writeCheckpointFolder } from '../fixtures/checkpoint-folder.ts'
import { exportCheckpoint } from '../fixtures/export.ts'
import { suiteFolder } from '../fixtures/temporary-folder.ts'

const model = { architecture: 'RESNET18', classes: 7, input: { channels: 1, height: 32, width: 32 } } as const
const graph = resnet(model)
const state = generateState(graph, 1)
const folder = suiteFolder()
let checkpoint = ''

beforeAll(async () => {
  checkpoint = await writeCheckpointFolder(folder, { state, model })
})

describe('the file, read back', () => {
  test('is an ordered dict of fp32 tensors with int64 counters, `module.` before the names where it is asked for', async () => {
    for (const modulePrefix of [false, true]) {
      const out = join(folder, `read-${modulePrefix}.pth`)
      await exportCheckpoint({ file: checkpoint, out, format: 'TORCH', modulePrefix })
      await readBack(out, async (file) => {
        expect(file).toMatchObject({ format: 'TORCH_ZIP', root: { kind: 'dict' } })
        await expectState(file, file.root as FileDict, modulePrefix ? 'module.' : '')
      })
    }
  })

  test('is the training file of the ImageNet example where that is asked for', async () => {
    const parameters = parameterEntries(graph)
    const moments = new Map(
      ['exp_avg', 'exp_avg_sq'].flatMap((slot, number) =>
        parameters.map(({ name, shape }): [string, HostTensor] => {
          return [`${slot}.${name}`, { shape, data: new Float32Array(state.get(name)!.data).fill(number + 0.5) }]
        }),
      ),
    )
    const { kind, ...settings } = optimizerOf({ kind: 'ADAMW', weightDecay: 0.1, beta2: 0.99, decayVectors: false })
    const file = await writeCheckpointFolder(join(folder, 'adamw'), {
      ...{ state, model },
      optimizerState: { step: 20, tensors: moments },
      manifest: {
        optimizer: { kind, ...settings, step: 20 },
        training: {
          // Ten steps an epoch: the third begins, and the rate has fallen twice.
          sampler: { seed: 0, epoch: 3, step: 0, lossSum: 0 },
          schedule: { kind: 'STEP', stepEpochs: 1, factor: 0.5, warmUpSteps: 0, learningRate: 0.4, totalSteps: 40 },
          engine: { name: 'test', detail: '' },
        },
      },
    })
    const out = join(folder, 'adamw.pth')
    const exported = await exportCheckpoint({ file, out, format: 'TORCH', trainingFile: true })
    await readBack(out, async (written) => {
      const training = valuesOf(written.root)
      expect({ ...training, state_dict: null, optimizer: null }).toEqual({
        ...{ epoch: 2, arch: 'resnet18', best_acc1: 75, state_dict: null, optimizer: null },
      })
      await expectState(written, training['state_dict'] as FileDict, '')
      const { state: slots, param_groups: groups } = valuesOf(training['optimizer'])
      const [weights, vectors] = (groups as { items: FileValue[] }).items.map(valuesOf)
      expect(weights).toMatchObject({ lr: 0.1, eps: 1e-8, weight_decay: 0.1, amsgrad: false, foreach: null })
      expect(weights).toMatchObject({ betas: { kind: 'tuple', items: [0.9, 0.99] }, decoupled_weight_decay: true })
      expect(vectors).toMatchObject({ lr: 0.1, weight_decay: 0 })
      const numbers = [weights, vectors].flatMap((group) => (group!['params'] as { items: FileValue[] }).items)
      expect(numbers).toEqual(parameters.map((_, number) => number))
      expect([...(slots as FileDict).entries.keys()]).toEqual(numbers)
      const first = valuesOf((slots as FileDict).entries.get(0) ?? null)
      expect(Object.keys(first)).toEqual(['step', 'exp_avg', 'exp_avg_sq'])
      expect(first['step']).toMatchObject({ dtype: 'F32', shape: [] })
      expect([...(await written.readFloats(first['step'] as FileTensor))]).toEqual([20])
      expect((await written.readFloats(first['exp_avg_sq'] as FileTensor))[0]).toBe(1.5)
    })
    // Read from the file and written again it is the same in every byte, moments and settings included.
    const again = join(folder, 'again.pth')
    const second = await exportCheckpoint({ file: out, out: again, format: 'TORCH', trainingFile: true })
    expect(second).toEqual({ ...exported, out: again })
  })

  test('is no training file where the checkpoint has no optimiser', async () => {
    const file = await writeCheckpointFolder(join(folder, 'bare'), { state, model, optimizerState: null })
    const out = join(folder, 'bare.pth')
    await expect(exportCheckpoint({ file, out, format: 'TORCH', trainingFile: true })).rejects.toMatchObject({
      ...{ code: 'INVALID_INPUT', field: 'trainingFile' },
    })
  })
})

async function readBack(path: string, look: (file: TensorFile) => Promise<void>): Promise<void> {
  const file = await openTensorFile(path)
  try {
    await look(file)
  } finally {
    await file.close()
  }
}

function valuesOf(value: FileValue | undefined): Record<string, FileValue> {
  return Object.fromEntries((value as FileDict).entries) as Record<string, FileValue>
}

async function expectState(file: TensorFile, { entries }: FileDict, prefix: string): Promise<void> {
  expect([...entries.keys()]).toEqual([...state.keys()].map((name) => prefix + name))
  for (const [name, { shape, data }] of state) {
    const tensor = entries.get(prefix + name) as FileTensor
    expect(tensor).toMatchObject({ shape, dtype: name.endsWith('num_batches_tracked') ? 'I64' : 'F32' })
    expect(Buffer.from((await file.readFloats(tensor)).buffer).equals(Buffer.from(data.buffer))).toBe(true)
  }
}

const script = '../../trainer/checkpoints/export.py'
const probe = await tryPython(script, 'probe')

/** What the script found, or the test is skipped. */
async function askTorch<T>({ skip }: TestContext, ...args: string[]): Promise<T> {
  if ('missing' in probe) return skip(probe.missing)
  const answer = await tryPython(script, ...args)
  if ('missing' in answer) throw new Error(answer.missing)
  return JSON.parse(answer.stdout) as T
}

async function openSession(optimizer: OptimizerSpec, globalBatch: number): Promise<Session> {
  const devices = cpuDevices(1)
  const engine = await openEngine('AUTO', devices)
  return engine.open({ graph, globalBatch, shards: 1, devices, optimizer })
}

/** Bytes of all of them, one after another, in a file. */
function writeRaw(name: string, values: readonly (Float32Array | Int32Array)[]): string {
  const path = join(folder, name)
  writeFileSync(path, Buffer.concat(values.map((part) => Buffer.from(part.buffer))))
  return path
}

describe('a file of PyTorch', () => {
  test('becomes what the checkpoint becomes that it was made of', async () => {
    const file = join(folder, 'parallel.pth')
    await exportCheckpoint({ file: checkpoint, out: file, format: 'TORCH', modulePrefix: true })
    const [direct, byFile] = [join(folder, 'direct.pth'), join(folder, 'by-file.pth')]
    const { sha256 } = await exportCheckpoint({ file: checkpoint, out: direct, format: 'TORCH' })
    expect(await exportCheckpoint({ file, out: byFile, format: 'TORCH' })).toMatchObject({ sha256 })
  })

  test('is refused with the report where it has not all of the model', async () => {
    const file = join(folder, 'part.safetensors')
    const tensors = toRawTensors(state)
    tensors.delete('layer2.0.conv1.weight')
    writeFileSync(file, Buffer.concat(encodeSafetensors({ tensors, metadata: {} })))
    const out = join(folder, 'part.pth')
    const answer = await askCheckpointProcess({ action: 'EXPORT', file, out, format: 'TORCH' })
    expect(answer).toMatchObject({
      ...{ kind: 'FAILED', code: 'CHECKPOINT_INVALID' },
      report: { missing: ['layer2.0.conv1.weight'] },
    })
    expect(existsSync(out)).toBe(false)
  })
})

describe('PyTorch', () => {
  test.for([false, true])(
    'loads the state dict strictly and has the logits of the engine (module.: %s)',
    async (modulePrefix, context) => {
      const { images } = generateBatch(graph, 4, { seed: 3, step: 0 })
      const out = join(folder, `live-${modulePrefix}.pth`)
      await exportCheckpoint({ file: checkpoint, out, format: 'TORCH', modulePrefix })
      const found = await askTorch<{ type: string; wrapped: boolean; dtypes: string[]; logits: number[] }>(
        context,
        ...['torch', out, writeRaw('images.f32', [images]), '4', '1', '32', '32'],
      )
      expect(found).toMatchObject({
        type: 'OrderedDict',
        wrapped: modulePrefix,
        dtypes: ['torch.float32', 'torch.int64'],
      })
      const session = await openSession(recipes.SGD.optimizer, 4)
      await session.writeState(state)
      const logits = await session.predict(images)
      await session.close()
      expect(largestDifference(found.logits, logits)).toBeLessThan(1e-5)
    },
  )

  test.for(['SGD', 'Adam', 'AdamW'] as const)(
    'trains on from the training file as the engine does, %s',
    async (kind, context) => {
      if ('missing' in probe) return context.skip(probe.missing)
      const { optimizer, learningRate } = recipes[kind]
      const session = await openSession(optimizer, 8)
      const batches = Array.from({ length: 13 }, (_, step): Batch => generateBatch(graph, 8, { seed: 4, step }))
      const train = async (part: readonly Batch[]): Promise<number[]> => {
        const losses: number[] = []
        for (const batch of part) losses.push((await session.step(batch, learningRate)).loss)
        return losses
      }
      await session.writeState(state)
      await train(batches.slice(0, 3))
      const file = await writeCheckpointFolder(join(folder, kind), {
        ...{ state: await session.readState(), model },
        optimizerState: await session.readOptimizerState(),
        manifest: {
          optimizer: { ...optimizer, step: 3 },
          training: {
            sampler: { seed: 0, epoch: 1, step: 3, lossSum: 0 },
            schedule: { kind: 'CONSTANT', warmUpSteps: 0, learningRate, totalSteps: 40 },
            engine: { name: 'test', detail: '' },
          },
        },
      })
      const out = join(folder, `${kind}.pth`)
      await exportCheckpoint({ file, out, format: 'TORCH', trainingFile: true })
      const rest = batches.slice(3)
      const losses = await train(rest)
      await session.close()
      const images = writeRaw(
        'steps.f32',
        rest.map((batch) => batch.images),
      )
      const labels = writeRaw(
        'steps.i32',
        rest.map((batch) => batch.labels),
      )
      const found = await askTorch<{ losses: number[]; forgotten: number[]; sizes: number[] }>(
        context,
        ...['training', out, kind, images, labels, '10', '8', '1', '32', '32'],
      )
      expect(found.sizes).toHaveLength(optimizer.decayVectors ? 1 : 2)
      // Rounding grows from step to step, in PyTorch on one thread and on two as well; without the moments losses are
      // apart a hundred times as far.
      const difference = largestDifference(found.losses, losses)
      expect(difference).toBeLessThan(2e-3)
      expect(largestDifference(found.forgotten, losses)).toBeGreaterThan(10 * difference)
    },
  )
})

const recipes = {
  SGD: { optimizer: optimizerOf({ kind: 'SGD', weightDecay: 5e-4, nesterov: true }), learningRate: 1e-5 },
  Adam: { optimizer: optimizerOf({ kind: 'ADAM', weightDecay: 1e-3 }), learningRate: 1e-5 },
  AdamW: {
    optimizer: optimizerOf({ kind: 'ADAMW', weightDecay: 0.1, beta2: 0.99, decayVectors: false }),
    learningRate: 1e-5,
  },
} as const

function largestDifference(found: readonly number[], expected: ArrayLike<number>): number {
  expect(found).toHaveLength(expected.length)
  return found.reduce((largest, value, index) => Math.max(largest, Math.abs(value - (expected[index] ?? NaN))), 0)
}
