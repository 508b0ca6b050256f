// A run that begins with a checkpoint's weights: what it takes, what it draws, what it refuses before its first step.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseTrainerEvent, type TrainerEvent } from '../../src/shared/events.ts'
import { parseAttempt, parseRunSpec } from '../../src/shared/run-spec.ts'
import { loadCheckpoint, readManifest } from '../../src/trainer/checkpoints/load.ts'
import { drawShapes } from '../../src/trainer/datasets/shapes.ts'
import type { OptimizerState, StateDict } from '../../src/trainer/engine.ts'
import { noReserve } from '../../src/trainer/disk.ts'
import { openEventLog } from '../../src/trainer/event-log.ts'
import { initialState } from '../../src/trainer/initialise.ts'
import { openInitialWeights } from '../../src/trainer/initial-weights.ts'
import { train } from '../../src/trainer/loop.ts'
import { parameterEntries } from '../../src/trainer/models/parameters.ts'
import { resnet, type ResNetOptions } from '../../src/trainer/models/resnet.ts'
import { createProgress } from '../../src/trainer/progress.ts'
import { generateState } from '../engine/generate.ts'
import { writeCheckpointFolder } from './fixtures/checkpoint-folder.ts'
import { linearEngine } from './fixtures/linear-engine.ts'
import { suiteFolder, temporaryFolder } from './fixtures/temporary-folder.ts'

function model(change: Partial<ResNetOptions> = {}): ResNetOptions {
  return { architecture: 'RESNET18', classes: 4, input: { channels: 1, height: 32, width: 32 }, ...change }
}

const three = model({ classes: 7, input: { channels: 3, height: 32, width: 32 } })
const graph = resnet(three)
const state = generateState(graph, 3)
const folder = suiteFolder()
let checkpoint: string
let sha256: string

beforeAll(async () => {
  const tensors: StateDict = new Map(
    parameterEntries(graph).map(({ name }) => [
      `momentum_buffer.${name}`,
      state.get(name) ?? { shape: [], data: new Float32Array() },
    ]),
  )
  const optimizerState: OptimizerState = { step: 20, tensors }
  checkpoint = await writeCheckpointFolder(folder, { state, model: three, optimizerState })
  sha256 = (await readManifest(checkpoint)).files['model.safetensors'].sha256
})

function spec(initialise: Record<string, unknown> | null, change: Record<string, unknown> = {}) {
  return parseRunSpec({
    runId: 'r',
    model: { architecture: 'RESNET18' },
    dataset: 'shapes',
    epochs: 1,
    globalBatch: 8,
    devices: { kind: 'COUNT', count: 1, deviceKind: 'CPU' },
    optimizer: { kind: 'SGD' },
    learningRate: 0.01,
    ...(initialise === null
      ? {}
      : { initialise: { kind: 'CHECKPOINT', checkpoint: 'imported/a', sha256, ...initialise } }),
    ...change,
  })
}

function weights(options: ResNetOptions, initialise: Record<string, unknown>, change: Record<string, unknown> = {}) {
  return openInitialWeights({ spec: spec(initialise, change), graph: resnet(options), folder: checkpoint })
}

/** Compared as bytes: millions of numbers one by one take minutes. */
function differing(found: StateDict | undefined, expected: StateDict): string[] {
  return [...expected].flatMap(([name, { data }]) => {
    const other = found?.get(name)?.data ?? new Float32Array()
    return Buffer.compare(Buffer.from(other.buffer), Buffer.from(data.buffer)) === 0 ? [] : [name]
  })
}

describe('the weights', () => {
  test('are all the checkpoint’s where the model is the same, with its optimiser where asked for', async () => {
    const initial = await weights(three, { optimizer: true })
    expect(initial?.report.matched).toHaveLength(122)
    expect([...(initial?.state.keys() ?? [])]).toEqual([...state.keys()])
    expect(differing(initial?.state, state)).toEqual([])
    expect(initial?.optimizerState?.step).toBe(20)
    expect(initial?.optimizerState?.tensors.size).toBe(62)
    expect((await weights(three, {}))?.optimizerState).toBeNull()
  })

  test('of named layers are those of the seed', async () => {
    const initial = await weights(model(), { reinitialise: ['conv1', 'fc'] }, { seed: 5 })
    const fresh = initialState(resnet(model()), 5)
    const found = initial?.state
    expect(differing(found, fresh)).not.toContain('fc.weight')
    expect(differing(found, fresh)).not.toContain('conv1.weight')
    expect(differing(found, state)).toEqual(['conv1.weight', 'fc.weight', 'fc.bias'])
    expect(initial?.report.reinitialised).toEqual(['conv1.weight', 'fc.weight', 'fc.bias'])
  })

  test('of a summed stem are the sums over its channels', async () => {
    const initial = await weights(model({ classes: 7 }), { stem: 'SUM_CHANNELS' })
    const stem = initial?.state.get('conv1.weight')
    const original = state.get('conv1.weight')?.data ?? new Float32Array()
    expect(stem?.shape).toEqual([64, 1, 7, 7])
    for (const [filter, tap] of [
      [0, 0],
      [3, 48],
      [63, 17],
    ] as const) {
      const [a = 0, b = 0, c = 0] = [0, 1, 2].map((channel) => original[filter * 147 + channel * 49 + tap])
      expect(stem?.data[filter * 49 + tap]).toBe(Math.fround(a + b + c))
    }
    expect(initial?.report).toMatchObject({ adapted: ['conv1.weight'], shapeMismatch: [] })
  })

  test('are nobody’s where the run begins at random', async () => {
    expect(await openInitialWeights({ spec: spec(null), graph, folder: null })).toBeNull()
  })
})

describe('refuses, in one sentence', () => {
  const begins = 'Cannot begin with imported/a: '
  test.each<
    [
      what: string,
      options: ResNetOptions,
      initialise: Record<string, unknown>,
      change: Record<string, unknown>,
      message: string,
    ]
  >([
    ['other classes', { ...three, classes: 4 }, {}, {}, `${begins}Expected 4 classes; the file has 7.`],
    ['other channels', model({ classes: 7 }), {}, {}, `${begins}Expected 1 input channel; the file has 3.`],
    [
      'another network',
      { ...three, architecture: 'RESNET34' },
      {},
      { model: { architecture: 'RESNET34' } },
      `${begins}Expected a ResNet-34; the file is a ResNet-18 with 7 classes and 3 input channels.`,
    ],
    [
      'other weights than were meant',
      three,
      { sha256: '0'.repeat(64) },
      {},
      `${begins}expected weights with sha-256 ${'0'.repeat(64)}; found SHA.`,
    ],
    [
      'an optimiser of another kind',
      three,
      { optimizer: true },
      { optimizer: { kind: 'ADAM' } },
      `${begins}Expected the state of ADAM, with exp_avg; it has that of SGD.`,
    ],
  ])('%s', async (_, options, initialise, change, message) => {
    await expect(weights(options, initialise, change)).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: message.replace('SHA', sha256),
    })
  })

  test('a layer that there is not', async () => {
    await expect(weights(three, { reinitialise: ['head'] })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'initialise.reinitialise',
    })
  })

  test('an optimiser’s state where there is none', async () => {
    const bare = await writeCheckpointFolder(temporaryFolder(), { state, model: three, optimizerState: null })
    const { files } = await readManifest(bare)
    const wanted = spec({ optimizer: true, sha256: files['model.safetensors'].sha256 })
    await expect(openInitialWeights({ spec: wanted, graph, folder: bare })).rejects.toMatchObject({
      message: `${begins}Expected the state of an optimiser; it has none.`,
    })
  })
})

describe('a run', () => {
  const dataset = drawShapes({ trainImages: 16, validationImages: 8 })

  async function trial(runSpec: ReturnType<typeof spec>) {
    const parent = temporaryFolder()
    const checkpoints = join(parent, 'checkpoints')
    mkdirSync(checkpoints)
    const file = join(parent, 'events.1.jsonl')
    const events = openEventLog({ file, run: 'r', attempt: 1, reserve: noReserve })
    const devices = [{ kind: 'CPU', name: 'cpu:0', cores: [0] }]
    const outcome: unknown = await train({
      spec: runSpec,
      attempt: parseAttempt({ runId: 'r', attempt: 1, devices, datasetRoots: [], initialFrom: checkpoint }),
      dataset,
      engine: linearEngine(),
      resume: null,
      checkpoints,
      events,
      progress: createProgress(),
      control: { stop: new AbortController().signal, takeCheckpointRequest: () => false },
      say: () => undefined,
    }).catch((error: unknown) => error)
    events.close()
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1)
    return { checkpoints, outcome, events: lines.map((line) => parseTrainerEvent(JSON.parse(line))) }
  }

  function types(events: readonly TrainerEvent[]): string[] {
    return events.map(({ type }) => type)
  }

  test('says what it began with, and its checkpoints name it as their parent', async () => {
    const { outcome, events, checkpoints } = await trial(spec({ reinitialise: ['conv1', 'fc'] }))
    expect(outcome).toBe('finished')
    expect(types(events)).toEqual(['started', 'initialised', 'step', 'step', 'epoch', 'checkpoint', 'finished'])
    expect(events[1]).toMatchObject({ checkpoint: 'imported/a', report: { sourceFormat: 'TRAINQL', missing: [] } })
    const { manifest, state: trained } = await loadCheckpoint(join(checkpoints, '1-00000002'))
    expect(manifest.parent).toEqual({ checkpoint: 'imported/a', sha256 })
    // The engine of this test trains the last layer alone.
    expect(differing(trained, state)).toEqual(['conv1.weight', 'fc.weight', 'fc.bias'])
  })

  test('that cannot begin so does not begin', async () => {
    const { outcome, events } = await trial(spec({}))
    expect(outcome).toMatchObject({ code: 'CHECKPOINT_INVALID' })
    expect(types(events)).toEqual([])
  })
})
