// The matrix of docs/pytorch-checkpoints.md: saved on one device or several, loaded on one or several, as weights in a file
// of PyTorch and as a whole checkpoint. What is on the devices after the load is, in every bit, what was saved.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { LoadReport } from '../../src/shared/load-report.ts'
import { parseRunSpec, type AssignedDevice } from '../../src/shared/run-spec.ts'
import { importCheckpoint } from '../../src/trainer/checkpoints/actions/import.ts'
import { loadResumable, readManifest, type ResumableCheckpoint } from '../../src/trainer/checkpoints/load.ts'
import { drawShapes } from '../../src/trainer/datasets/shapes.ts'
import type { Engine, StateDict } from '../../src/trainer/engine.ts'
import { openEngine } from '../../src/trainer/engines/open.ts'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { openTraining } from '../../src/trainer/training.ts'
import { exportCheckpoint } from './fixtures/export.ts'
import { runInProcess } from './fixtures/run-in-process.ts'
import { suiteFolder } from './fixtures/temporary-folder.ts'
import { checkpointNames, writeAttempt, writeRun } from './fixtures/trainer-process.ts'

const parent = suiteFolder()
const probe = probeNativeEngine()
const spec = {
  trainImages: 8,
  validationImages: 4,
  epochs: 1,
  shards: 4,
  optimizer: { kind: 'SGD' },
}
const whole = { architecture: null, classes: null, inputChannels: null }

function devices(...numbers: number[]): AssignedDevice[] {
  return numbers.map((number) => ({ kind: 'CPU', name: `cpu:${number}`, cores: [number % 2] }))
}

interface Source {
  /** A checkpoint of a run on these devices. */
  folder: string
  saved: ResumableCheckpoint
  /** The same weights by way of a file of PyTorch: its names are those that PyTorch has for as many devices. */
  imported: { folder: string; report: LoadReport }
}
const sources = new Map<number, Source>()

async function makeSource(count: number): Promise<Source> {
  const directory = writeRun(join(parent, `on-${count}`), spec)
  writeAttempt(directory, 1, { devices: devices(0, 1).slice(0, count) })
  await runInProcess(directory, 1)
  const [name = ''] = checkpointNames(directory)
  const folder = join(directory, 'checkpoints', name)
  const file = join(parent, `on-${count}.pth`)
  await exportCheckpoint({ file: folder, out: file, format: 'TORCH', modulePrefix: count > 1 })
  const imported = await importCheckpoint(
    { file, folder: join(parent, 'imported', String(count)), target: whole, allowPartial: false, data: null },
    () => undefined,
  )
  return { folder, saved: await loadResumable(folder), imported }
}

let engine: Engine
beforeAll(async () => {
  if (!probe.available) return
  mkdirSync(join(parent, 'imported'))
  engine = await openEngine('NATIVE', devices(0))
  for (const count of [1, 2]) sources.set(count, await makeSource(count))
}, 60_000)

/** By the bytes: millions of numbers one by one take minutes. */
function expectSame(found: StateDict, expected: StateDict): void {
  expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
  for (const [name, { shape, data }] of expected) {
    const tensor = found.get(name)!
    expect([name, tensor.shape]).toEqual([name, shape])
    const bytes = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength)
    expect([name, bytes(tensor.data).equals(bytes(data))]).toEqual([name, true])
  }
}

/** What is on the devices of a run that begins with the checkpoint, before its first step. */
async function begin(folder: string, on: AssignedDevice[], optimizer: boolean) {
  const { sha256 } = (await readManifest(folder)).files['model.safetensors']
  const training = await openTraining({
    spec: parseRunSpec({
      runId: 'r',
      model: { architecture: 'RESNET18' },
      dataset: 'shapes',
      globalBatch: 8,
      learningRate: 0.01,
      devices: { kind: 'COUNT', count: on.length, deviceKind: 'CPU' },
      ...spec,
      initialise: { kind: 'CHECKPOINT', checkpoint: 'imported/it', sha256, optimizer },
    }),
    devices: on,
    dataset: drawShapes({ trainImages: 8, validationImages: 4 }),
    engine,
    resume: null,
    initialFrom: folder,
  })
  try {
    return {
      report: training.initialised?.report,
      state: await training.session.readState(),
      optimizerState: await training.session.readOptimizerState(),
    }
  } finally {
    await training.close()
  }
}

const all = {
  missing: [],
  unexpected: [],
  shapeMismatch: [],
  reinitialised: [],
  adapted: [],
  assumedZero: [],
  deviceTags: [],
} satisfies Partial<LoadReport>

describe.skipIf(!probe.available)(`a ResNet-18${probe.available ? '' : ` (skipped: ${probe.detail})`}`, () => {
  test('on two devices was trained to the same bits as on one', () => {
    expectSame(sources.get(2)!.saved.state, sources.get(1)!.saved.state)
  })

  test.each([
    ['one device', 1, 'another', devices(1)],
    ['one device', 1, 'several', devices(0, 1)],
    ['several devices', 2, 'one', devices(2)],
    ['several devices', 2, 'others, and more of them', devices(2, 3, 4, 5)],
  ])('saved on %s (%d) and loaded on %s', async (_, count, __, on) => {
    const { folder, saved, imported } = sources.get(count)!
    expect(imported.report).toMatchObject({
      ...all,
      sourceFormat: 'TORCH_ZIP',
      strippedPrefix: count > 1 ? 'module.' : '',
    })
    const weights = await begin(imported.folder, on, false)
    expect(weights.report).toMatchObject({ ...all, sourceFormat: 'TRAINQL', strippedPrefix: '' })
    expect(weights.report?.matched).toHaveLength(122)
    expectSame(weights.state, saved.state)

    const checkpoint = await begin(folder, on, true)
    expect(checkpoint.report).toEqual(weights.report)
    expectSame(checkpoint.state, saved.state)
    expectSame(checkpoint.optimizerState.tensors, saved.optimizerState.tensors)
    expect(checkpoint.optimizerState.step).toBe(1)
    expect(checkpoint.optimizerState.tensors.size).toBe(62)
  })
})
