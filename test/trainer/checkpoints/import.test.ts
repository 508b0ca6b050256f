// Importing files in every form: what is in the folder afterwards, what is refused, and that nothing is left of what fails.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { CheckpointAnswer } from '../../../src/shared/checkpoint-tool.ts'
import { importCheckpoint, run, type ImportRequest } from '../../../src/trainer/checkpoints/actions/import.ts'
import { inspect } from '../../../src/trainer/checkpoints/actions/inspect.ts'
import { LoadRefused } from '../../../src/trainer/checkpoints/load-refused.ts'
import {
  loadCheckpoint,
  loadWeights,
  readManifest,
  type LoadedCheckpoint,
} from '../../../src/trainer/checkpoints/load.ts'
import type { StateDict } from '../../../src/trainer/engine.ts'
import { saveCheckpoint } from '../../../src/trainer/checkpoints/save.ts'
import { suiteFolder, temporaryFolder } from '../fixtures/temporary-folder.ts'
import { readForms, type Form } from './forms/forms.ts'

const target = { architecture: null, classes: null, inputChannels: null }
const folder = suiteFolder()
let forms: Map<string, Form>
let plain: LoadedCheckpoint

function fileOf(name: string): string {
  const file = join(folder, name)
  if (!existsSync(file)) writeFileSync(file, forms.get(name)?.content ?? '')
  return file
}

async function imported(name: string, change: Partial<ImportRequest> = {}) {
  const into = join(folder, `imported-${name}`)
  const request = { file: fileOf(name), folder: into, target, allowPartial: false, data: null, ...change }
  return { into, answer: await importCheckpoint(request, () => undefined) }
}

/** Equal in every bit is equal here; comparing millions of numbers one by one takes minutes. */
function bytesOf(state: StateDict | undefined, name: string): string {
  const data = state?.get(name)?.data ?? new Float32Array()
  return createHash('sha256').update(data).digest('hex')
}

beforeAll(async () => {
  forms = readForms()
  const { into } = await imported('state-dict.pth')
  plain = await loadCheckpoint(into)
})

test('a state dict becomes a folder with the same values under the same names, and knows where it came from', () => {
  const { manifest, state, optimizerState } = plain
  expect(state.size).toBe(122)
  // make.py: storage[sum of indices], values in 64ths; the count is 7.
  const bias = state.get('fc.bias')
  expect(bias?.shape).toEqual([10])
  expect(state.get('conv1.weight')?.data.slice(0, 4)).toEqual(bias?.data.slice(0, 4))
  expect(state.get('bn1.num_batches_tracked')).toEqual({ shape: [], data: Float32Array.of(7) })
  expect(optimizerState).toBeNull()
  const content = forms.get('state-dict.pth')?.content ?? ''
  expect(manifest).toMatchObject({
    runId: null,
    attempt: 0,
    epoch: 0,
    step: 0,
    model: { architecture: 'RESNET18', classes: 10, input: { channels: 3, height: null, width: null } },
    data: null,
    metrics: null,
    training: null,
    optimizer: null,
    parent: null,
    importedFrom: {
      file: 'state-dict.pth',
      sha256: createHash('sha256').update(content).digest('hex'),
      format: 'TORCH_ZIP',
      layout: 'STATE_DICT',
      strippedPrefix: '',
    },
  })
})

describe('every other form gives the same weights', () => {
  test.each<[name: string, prefix: string, change: Partial<ImportRequest>]>([
    ['whole-data-parallel.pth', 'module.', {}],
    ['state-dict-not-called.pth', '', {}],
    ['lightning.ckpt', 'model.', { allowPartial: true }],
  ])('%s', async (name, strippedPrefix, change) => {
    const { into, answer } = await imported(name, change)
    const manifest = await readManifest(into)
    expect(answer.report.strippedPrefix).toBe(strippedPrefix)
    expect(manifest.files['model.safetensors'].sha256).toBe(plain.manifest.files['model.safetensors'].sha256)
  })
})

test('a file from before there were counters has them as zeros', async () => {
  const { into, answer } = await imported('without-counters.pth')
  const { state } = await loadWeights(into)
  expect(answer.report.assumedZero).toHaveLength(20)
  expect([...state.keys()].sort()).toEqual([...plain.state.keys()].sort())
  expect(state.get('bn1.num_batches_tracked')?.data).toEqual(Float32Array.of(0))
  expect(bytesOf(state, 'fc.weight')).toEqual(bytesOf(plain.state, 'fc.weight'))
})

test('a training file also gives its optimiser’s state, epoch and accuracy', async () => {
  const { into, answer } = await imported('imagenet-example.pth.tar')
  const { manifest, optimizerState } = await loadCheckpoint(into)
  expect(answer).toMatchObject({ epoch: 30, step: 0, hasOptimizer: true })
  expect(manifest.optimizer).toEqual({
    kind: 'SGD',
    step: 0,
    momentum: 0.9,
    nesterov: false,
    weightDecay: 1e-4,
    decayVectors: true,
    learningRate: 0.1,
  })
  expect(optimizerState?.tensors.size).toBe(62)
  // make.py: each momentum is its parameter.
  const last = 'layer4.1.conv2.weight'
  expect(bytesOf(optimizerState?.tensors, `momentum_buffer.${last}`)).toEqual(bytesOf(plain.state, last))
  expect((await inspect({ action: 'INSPECT', file: into, target }, () => undefined)).optimizer).toEqual({
    kind: 'SGD',
    step: 0,
    tensors: 62,
  })
})

test('a part is taken where that is asked for, and what is missing is not made up', async () => {
  await expect(imported('backbone.pth')).rejects.toBeInstanceOf(LoadRefused)
  await expect(imported('backbone.pth', { allowPartial: true })).rejects.toMatchObject({
    code: 'CHECKPOINT_INVALID',
    message: 'Expected a file that tells its number of classes; the layer that would is not in it.',
  })
  const { into, answer } = await imported('backbone.pth', {
    allowPartial: true,
    target: { architecture: 'RESNET18', classes: 5, inputChannels: null },
  })
  expect(answer.report.missing).toEqual(['fc.weight', 'fc.bias'])
  const { state, manifest } = await loadWeights(into)
  expect(state.size).toBe(120)
  expect(manifest.model).toMatchObject({ classes: 5, input: { channels: 3 } })
})

describe('refuses, and leaves nothing', () => {
  test.each<[name: string, change: Partial<ImportRequest>, message: RegExp, hasReport: boolean]>([
    [
      'resnet50.pth',
      { target: { architecture: 'RESNET18', classes: 10, inputChannels: 3 }, allowPartial: true },
      /^Expected a ResNet-18; the file is a ResNet-50 with 10 classes and 3 input channels\.$/,
      true,
    ],
    ['classes-1000.pth', { target: { ...target, classes: 10 } }, /^Expected 10 classes; the file has 1000\.$/, true],
    [
      'one-channel.pth',
      { target: { ...target, inputChannels: 3 } },
      /^Expected 3 input channels; the file has 1\.$/,
      true,
    ],
    [
      'lightning.ckpt',
      {},
      /^Expected no other tensors than the model's; the file also has "criterion\.weight"\.$/,
      true,
    ],
    ['other-network.pth', { allowPartial: true }, /the file is a VGG or AlexNet: 22 tensors/, true],
    ['not-finite.pth', {}, /^Expected finite weights; "fc\.bias" holds a NaN or an infinity\.$/, true],
    ['truncated.pth', {}, /^The file is cut short: its \d+ bytes are not all that it once had\.$/, false],
    ['damaged.pth', {}, /CRC-32/, false],
    ['hostile.pth', {}, /expected tensors by name; found none/, false],
    ['optimizer-alone.pth', {}, /expected tensors by name; found none/, false],
  ])('%s', async (name, change, message, hasReport) => {
    const parent = temporaryFolder()
    const error: unknown = await imported(name, { folder: join(parent, 'new', 'it'), ...change }).catch(
      (e: unknown) => e,
    )
    expect(error).toMatchObject({ code: 'CHECKPOINT_INVALID', message: expect.stringMatching(message) as string })
    expect(error instanceof LoadRefused).toBe(hasReport)
    expect(existsSync(join(parent, 'new')) ? readdirSync(join(parent, 'new')) : []).toEqual([])
  })

  test('a folder that is there', async () => {
    const into = temporaryFolder()
    await expect(imported('state-dict.pth', { folder: into })).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(readdirSync(into)).toEqual([])
  })

  test('a file that is not there', async () => {
    const parent = temporaryFolder()
    await expect(imported('-', { file: join(parent, 'none'), folder: join(parent, 'it') })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})

describe('a checkpoint folder of ours', () => {
  async function writeOwn(parent: string): Promise<string> {
    const manifest: LoadedCheckpoint['manifest'] = {
      ...plain.manifest,
      runId: 'r',
      attempt: 1,
      epoch: 1,
      step: 3,
      data: {
        dataset: 'shapes',
        classNames: ['ring'],
        normalisation: { mean: [0.5], deviation: [0.25] },
        margin: false,
      },
      training: {
        sampler: { seed: 0, epoch: 2, step: 0, lossSum: 0 },
        schedule: { kind: 'CONSTANT', learningRate: 0.1, totalSteps: 6 },
        engine: { name: 'native', detail: '' },
      },
      optimizer: { kind: 'SGD', step: 3 },
      importedFrom: null,
    }
    const tensors = new Map(
      [...plain.state]
        .filter(([name]) => /(weight|bias)$/.test(name))
        .map(([name, tensor]) => [`momentum_buffer.${name}`, tensor]),
    )
    await saveCheckpoint(parent, '1-00000003', { manifest, state: plain.state, optimizerState: { step: 3, tensors } })
    return join(parent, '1-00000003')
  }

  test('is imported with all it knows, and with the run as its parent', async () => {
    const parent = temporaryFolder()
    const own = await writeOwn(parent)
    const { answer } = await imported('own', { file: own, folder: join(parent, 'copy') })
    expect(answer).toMatchObject({ epoch: 1, step: 3, hasOptimizer: true, report: { sourceFormat: 'TRAINQL' } })
    const copy = await readManifest(join(parent, 'copy'))
    const original = await readManifest(own)
    expect(copy.files).toEqual(original.files)
    expect(copy).toMatchObject({
      runId: null,
      training: null,
      data: original.data,
      parent: { checkpoint: 'r/1-00000003', sha256: original.files['model.safetensors'].sha256 },
      importedFrom: { file: '1-00000003', format: 'TRAINQL' },
    })
  })

  test('is inspected by its hashes', async () => {
    const own = join(folder, 'imported-state-dict.pth')
    const weights = join(own, 'model.safetensors')
    const bytes = readFileSync(weights)
    bytes[bytes.length - 3]! ^= 1
    writeFileSync(weights, bytes)
    const { loads, problems } = await inspect({ action: 'INSPECT', file: own, target }, () => undefined)
    expect(loads).toBe(false)
    expect(problems).toMatchObject([{ code: 'DAMAGED', message: expect.stringMatching(/expected sha-256/) as string }])
  })

  test('without its manifest is none', async () => {
    const empty = join(temporaryFolder(), 'empty')
    mkdirSync(empty)
    const { problems, format } = await inspect({ action: 'INSPECT', file: empty, target }, () => undefined)
    expect(format).toBeNull()
    expect(problems).toMatchObject([
      {
        code: 'NOT_A_CHECKPOINT',
        message: `Expected a file, or the folder of a checkpoint; ${empty} is a folder without a manifest.json.`,
      },
    ])
  })
})

test('the action answers as the checkpoint process does, and says how far it is', async () => {
  const said: CheckpointAnswer[] = []
  const request = { action: 'IMPORT', file: fileOf('state-dict.pth'), target, allowPartial: false } as const
  const answer = await run({ ...request, folder: join(temporaryFolder(), 'it') }, (progress) => said.push(progress))
  expect(answer.kind).toBe('IMPORTED')
  expect(said.length).toBeGreaterThan(0)
  expect(said.at(-1)).toMatchObject({ kind: 'PROGRESS' })
})
