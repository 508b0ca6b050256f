// A trainer that is killed in the middle of an epoch goes on, on any number of devices, as if nothing had happened; and
// what a run wrote can be proved from its checkpoints.
import { copyFileSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { TrainerEvent } from '../../src/shared/events.ts'
import { loadCheckpoint } from '../../src/trainer/checkpoints/load.ts'
import type { Manifest } from '../../src/trainer/checkpoints/manifest.ts'
import { saveCheckpoint } from '../../src/trainer/checkpoints/save.ts'
import { checkpointBytes } from '../../src/trainer/disk-room.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { prove } from '../../src/trainer/proof/prove.ts'
import { idxImages, idxLabels, writeIdx } from './fixtures/idx-files.ts'
import { runInProcess } from './fixtures/run-in-process.ts'
import { suiteFolder } from './fixtures/temporary-folder.ts'
import {
  checkpointNames,
  manifestOf,
  readEvents,
  resumeFrom,
  spawnTrainer,
  waitForEvent,
  writeAttempt,
  writeRun,
} from './fixtures/trainer-process.ts'

const stepsPerEpoch = 8
const lastStep = 2 * stepsPerEpoch
/** With all that depends on where a run stands: schedule, augmentation, momentum. */
const spec = {
  dataset: 'gradients',
  trainImages: null,
  validationImages: null,
  shards: 4,
  optimizer: { kind: 'SGD' },
  schedule: { kind: 'COSINE', warmUpSteps: 3 },
  augmentation: { randomCrop: { padding: 2 }, horizontalFlip: true },
  clipNorm: 1,
}
const everyFive = { ...spec, checkpoints: { everySteps: 5 } }
const parent = suiteFolder()

function on(count: number): { devices: unknown[]; datasetRoots: string[] } {
  const devices = Array.from({ length: count }, (_, index) => ({ kind: 'CPU', name: `cpu:${index}`, cores: [0] }))
  return { devices, datasetRoots: [parent] }
}

/** Images of 8 x 8 that differ by class and by number. */
function writeDataset(): void {
  const folder = join(parent, 'gradients')
  mkdirSync(folder)
  const image = (index: number): number[] =>
    Array.from({ length: 64 }, (_, pixel) => (pixel * ((index % 4) + 1) + index * 37) % 256)
  const labels = (count: number): number[] => Array.from({ length: count }, (_, index) => index % 4)
  const images = (count: number, first: number): number[][] =>
    Array.from({ length: count }, (_, index) => image(first + index))
  writeIdx(folder, {
    'train-images-idx3-ubyte': idxImages(images(8 * stepsPerEpoch, 0), [8, 8]),
    'train-labels-idx1-ubyte': idxLabels(labels(8 * stepsPerEpoch)),
    't10k-images-idx3-ubyte': idxImages(images(20, 1000), [8, 8]),
    't10k-labels-idx1-ubyte': idxLabels(labels(20)),
  })
}

const times = new Set(['run', 'attempt', 'seq', 'at', 'imagesPerSecond', 'userSeconds', 'systemSeconds', 'wallSeconds'])

/** Everything of a run's steps and epochs behind a step but its times. */
function factsBehind(step: number, events: readonly TrainerEvent[]): unknown[] {
  return events
    .filter((event) => (event.type === 'step' || event.type === 'epoch') && event.step > step)
    .map((event) => Object.fromEntries(Object.entries(event).filter(([name]) => !times.has(name))))
}

/** Tensors are linked, not copied: whoever changes one must remove it first. */
function copyOf(directory: string, name: string): string {
  const copy = join(parent, name, 'run-1')
  for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const [from, to] = [join(directory, path), join(copy, path)]
    mkdirSync(join(to, '..'), { recursive: true })
    if (statSync(from).isDirectory()) mkdirSync(to, { recursive: true })
    else (path.endsWith('.safetensors') ? linkSync : copyFileSync)(from, to)
  }
  return copy
}

let straight: string
let straightEnd: Manifest
beforeAll(async () => {
  writeDataset()
  straight = writeRun(join(parent, 'straight'), everyFive)
  writeAttempt(straight, 1, on(1))
  expect((await runInProcess(straight, 1)).outcome).toBe('finished')
  straightEnd = manifestOf(straight, '1-00000016')
})

test('everySteps takes checkpoints inside the epochs, beside the one of each epoch', () => {
  const names = [5, 8, 10, 15, 16].map((step) => `1-${String(step).padStart(8, '0')}`)
  expect(checkpointNames(straight)).toEqual(names)
  const events = readEvents(straight)
  expect(events.flatMap((event) => (event.type === 'checkpoint' ? [event.name] : []))).toEqual(names)
  expect(manifestOf(straight, '1-00000005')).toMatchObject({ epoch: 0, step: 5, metrics: null, parent: null })
  expect(manifestOf(straight, '1-00000015').training?.sampler).toMatchObject({ epoch: 2, step: 7 })
})

test('the room that is asked for is what a checkpoint takes, and little more', () => {
  const graph = resnet({ architecture: 'RESNET18', classes: 4, input: { channels: 1, height: 8, width: 8 } })
  const asked = checkpointBytes(graph, { kind: 'SGD' })
  const taken = readEvents(straight).flatMap((event) => (event.type === 'checkpoint' ? [event.bytes] : []))
  expect(taken).toHaveLength(5)
  for (const bytes of taken) {
    expect(bytes).toBeLessThan(asked)
    expect(asked - bytes).toBeLessThan(128 * 1024)
  }
})

describe('killed with SIGKILL in the middle of its first epoch', () => {
  let killed: string

  /** Null where it was quicker than the signal. */
  async function kill(name: string): Promise<string | null> {
    const directory = writeRun(join(parent, name), everyFive)
    writeAttempt(directory, 1, on(1))
    const trainer = spawnTrainer([directory, '1'])
    try {
      await waitForEvent(directory, ({ type }) => type === 'checkpoint')
    } finally {
      trainer.child.kill('SIGKILL')
    }
    await trainer.ended
    return readEvents(directory).some(({ type }) => type === 'epoch') ? null : directory
  }

  beforeAll(async () => {
    killed = (await kill('killed')) ?? (await kill('killed-2')) ?? (await kill('killed-3')) ?? ''
    expect(checkpointNames(killed)).toEqual(['1-00000005'])
  })

  test.each([1, 2])('goes on with %d devices: the same losses, metrics and bytes as without a break', async (count) => {
    const resumed = copyOf(killed, `on-${count}`)
    writeRun(join(resumed, '..'), spec)
    writeAttempt(resumed, 2, { ...on(count), ...resumeFrom(resumed, '1-00000005') })
    expect((await runInProcess(resumed, 2)).outcome).toBe('finished')
    const facts = factsBehind(5, readEvents(resumed, 2))
    expect(facts).toEqual(factsBehind(5, readEvents(straight)))
    expect(facts).toHaveLength(lastStep - 5 + 2)
    const end = manifestOf(resumed, '2-00000016')
    expect(end.files).toEqual(straightEnd.files)
    expect(end.metrics).toEqual(straightEnd.metrics)
    const { sha256 } = manifestOf(killed, '1-00000005').files['model.safetensors']
    expect(end.parent).toEqual({ checkpoint: 'run-1/1-00000005', sha256 })
  })

  test('goes on with 4 devices from the checkpoint before one that is damaged, and the log says so', async () => {
    const resumed = copyOf(killed, 'on-4')
    writeRun(join(resumed, '..'), spec)
    const damaged = join(resumed, 'checkpoints', '1-00000006')
    mkdirSync(damaged)
    copyFileSync(join(resumed, 'checkpoints', '1-00000005', 'manifest.json'), join(damaged, 'manifest.json'))
    writeFileSync(join(damaged, 'model.safetensors'), 'half')
    writeAttempt(resumed, 2, { ...on(4), ...resumeFrom(resumed, '1-00000006') })
    const { outcome, lines } = await runInProcess(resumed, 2)
    expect(outcome).toBe('finished')
    const events = readEvents(resumed, 2)
    expect(events.slice(0, 2)).toMatchObject([
      {
        type: 'checkpointDamaged',
        name: '1-00000006',
        message: expect.stringMatching(/1-00000006\/model\.safetensors: expected \d+ bytes; found 4\.$/) as string,
        resumedFrom: '1-00000005',
      },
      { type: 'started', devices: ['cpu:0', 'cpu:1', 'cpu:2', 'cpu:3'] },
    ])
    expect(lines).toContainEqual(expect.stringMatching(/^checkpoint 1-00000006 is damaged: /))
    expect(lines).toContain('going on from checkpoint 1-00000005')
    expect(factsBehind(5, events)).toEqual(factsBehind(5, readEvents(straight)))
    const end = manifestOf(resumed, '2-00000016')
    expect(end.files).toEqual(straightEnd.files)
    expect(end.parent?.checkpoint).toBe('run-1/1-00000005')
  })
})

describe('a proof', () => {
  const request = { checkpoint: '1-00000005', steps: null, devices: null }

  /** Every file with its size and its time of change. */
  function listing(directory: string): string[] {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .map((path) => {
        const { size, mtimeMs } = statSync(join(directory, path))
        return `${path} ${size} ${mtimeMs}`
      })
      .sort()
  }

  test('from a checkpoint to the next, on other devices, matches to the bit and writes nothing', async () => {
    const before = listing(straight)
    const { devices: names, ...proof } = await prove({ runDirectory: straight, ...request, devices: 4 })
    expect(proof).toEqual({
      checkpoint: '1-00000005',
      fromStep: 5,
      toStep: 8,
      lossesCompared: 3,
      comparedWith: '1-00000008',
      tensorsCompared: 122 + 62,
      matches: true,
      firstDifference: null,
      caveats: [],
    })
    expect(names).toEqual(['cpu:0', 'cpu:1', 'cpu:2', 'cpu:3'])
    expect(listing(straight)).toEqual(before)
  })

  test('from the initial weights over the end of an epoch, by the losses alone', async () => {
    const whole = await prove({ runDirectory: straight, checkpoint: null, steps: 9, devices: null })
    const compared = { lossesCompared: 9, comparedWith: null, tensorsCompared: 0 }
    expect(whole).toMatchObject({ fromStep: 0, toStep: 9, ...compared, devices: ['cpu:0'], matches: true })
  })

  test('names the first loss that is another, and the engine that may be why', async () => {
    const directory = copyOf(straight, 'other-loss')
    const file = join(directory, 'events.1.jsonl')
    const changed = readFileSync(file, 'utf8')
      .replace(/"engineDetail":"[^"]*"/, '"engineDetail":"another"')
      .replace(/("step":7,"loss":)[\d.]+/, '$10.5')
    writeFileSync(file, changed)
    const proof = await prove({ runDirectory: directory, ...request })
    const [found] = readEvents(straight).flatMap((event) =>
      event.type === 'step' && event.step === 7 ? [event.loss] : [],
    )
    expect(proof).toMatchObject({
      matches: false,
      lossesCompared: 2,
      comparedWith: null,
      tensorsCompared: 0,
      firstDifference: { what: 'loss in attempt 1', step: 7, expected: 0.5, found },
    })
    expect(proof.caveats).toEqual([
      expect.stringMatching(/^The run was computed by \w+ \(another\), this by \w+ \(/) as string,
    ])
  })

  test('names the first value of a tensor that is another', async () => {
    const directory = copyOf(straight, 'other-weights')
    const checkpoints = join(directory, 'checkpoints')
    const { manifest, state, optimizerState } = await loadCheckpoint(join(checkpoints, '1-00000008'))
    const { data } = state.get('layer3.0.conv1.weight') ?? { data: new Float32Array() }
    const found = data[1000]
    data[1000] = 0.5
    rmSync(join(checkpoints, '1-00000008'), { recursive: true })
    await saveCheckpoint(checkpoints, '1-00000008', { manifest, state, optimizerState })
    expect(await prove({ runDirectory: directory, ...request })).toMatchObject({
      matches: false,
      lossesCompared: 3,
      comparedWith: '1-00000008',
      firstDifference: { what: 'layer3.0.conv1.weight[1000]', step: 8, expected: 0.5, found },
    })
  })

  test.each([
    [{ checkpoint: '1-00000016' }, { field: 'checkpoint', message: /it ends at step 16\.$/ }],
    [{ steps: 100 }, { field: 'steps', message: /it ends at step 16\.$/ }],
    [{ checkpoint: '../1' }, { field: 'checkpoint', message: /got "\.\.\/1"\.$/ }],
    [{ devices: 3 }, { field: 'devices', message: /got 3\.$/ }],
  ])('of %j is refused', async (change, { field, message }) => {
    await expect(prove({ runDirectory: straight, ...request, ...change })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field,
      message: expect.stringMatching(message) as string,
    })
  })
})
