// What `createRun` refuses, and that a refusal leaves nothing: no row, no folder, no process.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { makeFolder, query, removeFolder, scriptedTrainer, startTestServer, tryCreateRun } from './server.ts'

let home: string
let server: RunningServer
const path = process.env['PATH']

beforeAll(async () => {
  home = await makeFolder()
  const data = join(home, 'data')
  await mkdir(join(data, 'damaged'), { recursive: true })
  writeFileSync(join(data, 'damaged', 'train-images-idx3-ubyte'), Buffer.from([0, 0, 8, 1]))
  for (const split of ['train', 'val']) {
    await mkdir(join(data, 'alone', split, 'cat'), { recursive: true })
    // Never opened: what is in them does not matter.
    for (let index = 0; index < 64; index += 1) writeFileSync(join(data, 'alone', split, 'cat', `${index}.png`), '')
  }
  // A machine with a GPU, as far as nvidia-smi says, and an engine that does not serve it.
  await mkdir(join(home, 'bin'))
  const gpu = '0, GPU-8f2a7c1e-0000-1111-2222-333344445555, NVIDIA Test, 81559'
  await writeFile(join(home, 'bin', 'nvidia-smi'), `#!/bin/sh\necho '${gpu}'\n`)
  await chmod(join(home, 'bin', 'nvidia-smi'), 0o755)
  const probeEntry = join(home, 'probe.js')
  const engines = [
    { name: 'native', available: false, detail: 'not built' },
    { name: 'tfjs', available: true, detail: 'wasm' },
  ]
  await writeFile(probeEntry, `process.stdout.write(${JSON.stringify(JSON.stringify(engines))})`)
  process.env['PATH'] = `${join(home, 'bin')}${delimiter}${path}`
  server = await startTestServer(home, {
    dataRoots: [data],
    cpuDevices: 4,
    trainerEntry: scriptedTrainer,
    probeEntry: new URL(`file://${probeEntry}`),
  })
})
afterAll(async () => {
  process.env['PATH'] = path
  await server.close()
  await removeFolder(home)
})

/** Rows of every table that a run fills, its folders, and the children of this process. */
async function traces(): Promise<unknown> {
  const { runs, devices } = await query<{ runs: { totalCount: number }; devices: { nodes: { state: string }[] } }>(
    server.url,
    '{ runs { totalCount } devices { nodes { state } } }',
  )
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8')
  const trainers = children.split(' ').filter((pid) => {
    if (pid.trim() === '') return false
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('scripted-trainer')
    } catch {
      return false
    }
  })
  return {
    runs: runs.totalCount,
    states: devices.nodes.map(({ state }) => state),
    folders: readdirSync(join(home, 'runs')),
    trainers,
  }
}

let before: unknown
beforeEach(async () => {
  before = await traces()
})
afterEach(async () => {
  expect(await traces()).toEqual(before)
  expect(before).toMatchObject({ runs: 0, folders: [], trainers: [] })
})

test.each<[what: string, input: Record<string, unknown>, failure: Record<string, unknown>]>([
  [
    'an unknown device',
    { devices: { names: ['cpu:0', 'cpu:9'] } },
    {
      __typename: 'NotFoundFailure',
      code: 'NOT_FOUND',
      message: 'There is no device "cpu:9"; there are cpu:0, cpu:1, cpu:2, cpu:3, cuda:0.',
    },
  ],
  [
    'a count and the most',
    { devices: { count: 1, max: 2 } },
    { __typename: 'InvalidInputFailure', field: 'devices', fix: 'Give `count` alone, or `min` with `max`.' },
  ],
  ['at most 3 devices', { devices: { max: 3 } }, { __typename: 'InvalidInputFailure', field: 'devices' }],
  [
    'more at least than at most',
    { devices: { min: 2, max: 1 } },
    { __typename: 'InvalidInputFailure', field: 'devices' },
  ],
  ['3 devices', { devices: { count: 3 } }, { __typename: 'InvalidInputFailure', field: 'devices' }],
  [
    '3 named devices',
    { devices: { names: ['cpu:0', 'cpu:1', 'cpu:2'] } },
    {
      field: 'devices',
      message: 'Expected 1, 2, 4 devices for 4 shards (a power of two, at most one per shard); got 3.',
    },
  ],
  [
    'more devices than there are',
    { devices: { count: 8 }, shards: 8 },
    {
      __typename: 'ConflictFailure',
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringContaining('at most 4 CPU devices'),
    },
  ],
  [
    'more devices than shards',
    { devices: { count: 4 }, shards: 2 },
    { __typename: 'InvalidInputFailure', field: 'devices' },
  ],
  [
    'a device twice',
    { devices: { names: ['cpu:1', 'cpu:1'] } },
    { __typename: 'InvalidInputFailure', field: 'devices.names', message: expect.stringContaining('"cpu:1"') },
  ],
  ['no device', { devices: { names: [] } }, { __typename: 'InvalidInputFailure', field: 'devices.names' }],
  [
    'names and a count',
    { devices: { names: ['cpu:0'], count: 1 } },
    { __typename: 'InvalidInputFailure', field: 'devices' },
  ],
  [
    'devices of two kinds',
    { devices: { names: ['cpu:0', 'cuda:0'] } },
    { __typename: 'InvalidInputFailure', field: 'devices.names' },
  ],
  [
    'a GPU that no engine serves',
    { devices: { names: ['cuda:0'] } },
    {
      __typename: 'ConflictFailure',
      code: 'ENGINE_UNAVAILABLE',
      fix: expect.stringContaining('@tensorflow/tfjs-node-gpu'),
    },
  ],
  [
    'an engine that is not there',
    { engine: 'NATIVE' },
    { __typename: 'ConflictFailure', code: 'ENGINE_UNAVAILABLE', message: expect.stringContaining('not built') },
  ],
  [
    'an unknown dataset',
    { dataset: 'imagenet' },
    {
      __typename: 'NotFoundFailure',
      code: 'DATASET_NOT_FOUND',
      message: 'There is no dataset "imagenet"; there are shapes, alone.',
    },
  ],
  [
    'a damaged dataset',
    { dataset: 'damaged' },
    {
      __typename: 'InvalidInputFailure',
      code: 'DATASET_INVALID',
      message: expect.stringMatching(
        /train-images-idx3-ubyte: at byte 4 expected a header of 16 bytes; found end of file/,
      ),
    },
  ],
  [
    'a dataset of one class',
    { dataset: 'alone' },
    {
      __typename: 'InvalidInputFailure',
      code: 'DATASET_INVALID',
      field: 'dataset',
      message: 'alone: expected at least 2 classes to tell apart; found 1, "cat".',
    },
  ],
  [
    'a batch that shards do not divide',
    { globalBatch: 30 },
    {
      __typename: 'InvalidInputFailure',
      field: 'globalBatch',
      message: 'Expected a global batch that 4 shards divide evenly; got 30.',
      fix: 'Use a global batch of 28 or 32, or other shards.',
    },
  ],
  ['shards that are no power of two', { shards: 3 }, { __typename: 'InvalidInputFailure', field: 'shards' }],
  ['a negative learning rate', { learningRate: -0.1 }, { __typename: 'InvalidInputFailure', field: 'learningRate' }],
  ['no epochs', { epochs: 0 }, { __typename: 'InvalidInputFailure', field: 'epochs' }],
  ['a negative epoch count', { epochs: -1 }, { __typename: 'InvalidInputFailure', field: 'epochs' }],
  ['a negative seed', { seed: '-1' }, { __typename: 'InvalidInputFailure', field: 'seed' }],
  [
    "the other optimizer's setting",
    { optimizer: { kind: 'ADAM', momentum: 0.5 } },
    { __typename: 'InvalidInputFailure', field: 'optimizer.momentum' },
  ],
  [
    "the other schedule's setting",
    { schedule: { kind: 'COSINE', factor: 0.5 } },
    {
      __typename: 'InvalidInputFailure',
      field: 'schedule.factor',
      message: 'Expected settings of COSINE (minimum, warmUpSteps); got factor, which it does not have.',
      fix: 'Leave factor out, or choose another kind of schedule.',
    },
  ],
  ['steps without their length', { schedule: { kind: 'STEP' } }, { field: 'schedule.stepEpochs' }],
  [
    'a warm-up longer than the run',
    { schedule: { kind: 'CONSTANT', warmUpSteps: 8 }, epochs: 2 },
    {
      __typename: 'InvalidInputFailure',
      field: 'schedule.warmUpSteps',
      message: 'Expected a warm-up shorter than the run, which has 8 steps; got 8.',
    },
  ],
  [
    'Nesterov without momentum',
    { optimizer: { kind: 'SGD', nesterov: true, momentum: 0 } },
    { __typename: 'InvalidInputFailure', field: 'optimizer.nesterov' },
  ],
  [
    'accumulation steps that do not divide the batch',
    { accumulationSteps: 8 },
    {
      __typename: 'InvalidInputFailure',
      field: 'globalBatch',
      message: 'Expected a global batch that 4 shards in 8 accumulation steps divide evenly; got 16.',
    },
  ],
  [
    'accumulation steps that leave a shard one value per channel',
    { accumulationSteps: 4 },
    { __typename: 'InvalidInputFailure', field: 'globalBatch', fix: expect.stringContaining('at least 32') },
  ],
  [
    'a precision that no engine here computes in',
    { precision: 'BF16' },
    {
      __typename: 'ConflictFailure',
      code: 'ENGINE_UNAVAILABLE',
      message: 'The run asks for precision BF16, and no engine it may use computes in it here; tfjs (wasm): FP32.',
    },
  ],
  [
    'a precision that the engine asked for lacks',
    { precision: 'BF16', engine: 'TFJS' },
    { __typename: 'InvalidInputFailure', field: 'precision' },
  ],
  [
    'a cutout as large as the images',
    { augmentation: { cutout: { size: 28 } } },
    { __typename: 'InvalidInputFailure', field: 'augmentation.cutout.size' },
  ],
  ['a momentum of 1', { optimizer: { kind: 'SGD', momentum: 1 } }, { field: 'optimizer.momentum' }],
  [
    'a shard of one value per channel',
    { globalBatch: 4 },
    { __typename: 'InvalidInputFailure', field: 'globalBatch', fix: expect.stringContaining('at least 8') },
  ],
  [
    'more images than there are',
    { trainImages: 12_001 },
    { __typename: 'InvalidInputFailure', field: 'trainImages', message: expect.stringContaining('at most 12000') },
  ],
  [
    'a global batch larger than the training images',
    { trainImages: 64, globalBatch: 128 },
    { __typename: 'InvalidInputFailure', field: 'globalBatch' },
  ],
  ['a name too long', { name: 'x'.repeat(201) }, { __typename: 'InvalidInputFailure', field: 'name' }],
])('refuses %s', async (_what, input, failure) => {
  const result = await tryCreateRun(server.url, input)
  expect(result).toMatchObject(failure)
  expect((result as { fix: string }).fix).not.toBe('')
})

test('offers the GPU by its UUID', async () => {
  const { device } = await query<{ device: unknown }>(
    server.url,
    '{ device(name: "cuda:0") { name kind model uuid cores memoryBytes state } }',
  )
  expect(device).toEqual({
    name: 'cuda:0',
    kind: 'CUDA',
    model: 'NVIDIA Test',
    uuid: 'GPU-8f2a7c1e-0000-1111-2222-333344445555',
    cores: null,
    memoryBytes: String(81559 * 1024 * 1024),
    state: 'FREE',
  })
})

test('leaves nothing where the run directory cannot be made', async () => {
  // A file stands where the unfinished folder is made: for root no permission would do.
  const runs = join(home, 'runs')
  execFileSync('mv', [runs, `${runs}.aside`])
  writeFileSync(runs, '')
  try {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: 'mutation { createRun(input: { dataset: "shapes" }) { __typename } }' }),
    })
    const { errors } = (await response.json()) as { errors: { message: string; extensions: Record<string, unknown> }[] }
    expect(errors).toMatchObject([
      { message: expect.stringMatching(/^Unexpected error; the server's log has it under [0-9a-f-]{36}\.$/) as string },
    ])
  } finally {
    execFileSync('rm', [runs])
    execFileSync('mv', [`${runs}.aside`, runs])
  }
})
