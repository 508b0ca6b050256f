// Runs made from other runs: what they take over, what changes, what does not fit, and what is left of them where the
// origin's checkpoints are gone. The trainer does what the test says.
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import {
  createRun,
  type CreatedRun,
  type Failure,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  waitForEvent,
} from './server.ts'

let home: string
let server: RunningServer
let origin: CreatedRun
let bare: CreatedRun

const settings = {
  name: 'origin',
  epochs: 3,
  devices: { names: ['cpu:0'] },
  optimizer: { kind: 'SGD', momentum: 0.8 },
  learningRate: 0.3,
  schedule: { kind: 'COSINE', minimum: 0.01 },
  clipNorm: 2,
  seed: '7',
  augmentation: { horizontalFlip: true },
  checkpoints: { keepLast: 5 },
  priority: 3,
  retry: { maxAttempts: 2 },
}
const first = '1-00000002'
const latest = '1-00000004'

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home, { trainerEntry: scriptedTrainer, cancelGraceMs: 200 })
  origin = await createRun(server.url, settings)
  instruct(origin, 'started 10', 'steps 2', 'epoch 1', 'steps 2', 'epoch 2', 'finish')
  await waitForEvent(server.url, origin.id, 'RunEndedEvent')
  for (const name of [first, latest]) {
    mkdirSync(join(origin.directory, 'checkpoints', name), { recursive: true })
    writeFileSync(join(origin.directory, 'checkpoints', name, 'model.safetensors'), `weights of ${name}`)
  }
  bare = await createRun(server.url, { architecture: 'RESNET34' })
  instruct(bare, 'started', 'finish')
  await waitForEvent(server.url, bare.id, 'RunEndedEvent')
  // Forks wait: what they are is on the disk.
  await query(
    server.url,
    'mutation { a: drainDevice(name: "cpu:0") { __typename } b: drainDevice(name: "cpu:1") { __typename } }',
  )
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

type Answer = Failure & { run?: CreatedRun & { forkedFrom: { id: string } | null } }

async function tryFork({ id }: CreatedRun, input?: Record<string, unknown>): Promise<Answer> {
  const { forkRun } = await query<{ forkRun: Answer }>(
    server.url,
    `mutation ($id: ID!, $input: ForkRunInput) { forkRun(id: $id, input: $input) {
      __typename
      ... on ForkRunSuccess { run { id state directory waitingFor deviceNames forkedFrom { id } } }
      ... on Failure { code message fix }
      ... on InvalidInputFailure { field }
    } }`,
    { id, input },
  )
  return forkRun
}

async function fork(run: CreatedRun, input?: Record<string, unknown>): Promise<CreatedRun> {
  const answer = await tryFork(run, input)
  if (answer.run === undefined) throw new Error(JSON.stringify(answer))
  expect(answer.run.forkedFrom).toEqual({ id: run.id })
  return answer.run
}

const specOf = ({ directory }: CreatedRun): Record<string, unknown> =>
  JSON.parse(readFileSync(join(directory, 'spec.json'), 'utf8')) as Record<string, unknown>
const keyOf = ({ directory }: CreatedRun): string => basename(directory)
const beginsWith = (name: string, optimizer: boolean) => ({
  kind: 'CHECKPOINT',
  checkpoint: `${keyOf(origin)}/${name}`,
  sha256: 'ab'.repeat(32),
  optimizer,
  reinitialise: [],
  stem: 'AS_IS',
})

test('without changes it is the origin again, from its latest checkpoint, with the state of the optimiser', async () => {
  const made = await fork(origin)
  const { runId, ...same } = specOf(origin)
  expect(specOf(made)).toEqual({
    ...same,
    runId: keyOf(made),
    name: null,
    initialise: beginsWith(latest, true),
    forkedFrom: { runId, checkpoint: latest },
  })
  // Its own, whatever becomes of the origin's: the same file, not a copy.
  const kept = join(made.directory, 'initial', 'model.safetensors')
  const from = join(origin.directory, 'checkpoints', latest, 'model.safetensors')
  expect(statSync(kept).ino).toBe(statSync(from).ino)
})

test('what is left out stays, what is given changes, and null is the default of a new run', async () => {
  const made = await fork(origin, {
    name: 'gentler',
    checkpoint: `${keyOf(origin)}/${first}`,
    changes: { learningRate: 0.05, clipNorm: null, devices: { count: 2 }, epochs: 1, augmentation: null, priority: -2 },
  })
  const { runId, ...same } = specOf(origin)
  expect(specOf(made)).toEqual({
    ...same,
    runId: keyOf(made),
    name: 'gentler',
    learningRate: 0.05,
    clipNorm: null,
    devices: { kind: 'COUNT', count: 2, max: null, deviceKind: 'CPU' },
    epochs: 1,
    augmentation: null,
    priority: -2,
    initialise: beginsWith(first, true),
    forkedFrom: { runId, checkpoint: first },
  })
})

test("another optimiser comes with its own learning rate, and without the old one's state", async () => {
  const made = await fork(origin, { changes: { optimizer: { kind: 'ADAM' }, schedule: null } })
  expect(specOf(made)).toMatchObject({
    learningRate: 0.001,
    optimizer: { kind: 'ADAM' },
    schedule: { kind: 'CONSTANT' },
  })
  expect(specOf(made)['initialise']).toEqual(beginsWith(latest, false))
  const fresh = await fork(origin, { reinitialise: ['fc'] })
  expect(specOf(fresh)['initialise']).toEqual({ ...beginsWith(latest, false), reinitialise: ['fc'] })
})

test('what an origin got by default stays with its forks, but a warm-up that would outlast a shorter one', async () => {
  const source = await createRun(server.url, { epochs: 50 })
  const recipe = { learningRate: 0.00625, schedule: { kind: 'CONSTANT', warmUpSteps: 20 } }
  expect(specOf(source)).toMatchObject(recipe)
  expect(specOf(await fork(source, { changes: { epochs: 6, globalBatch: 16 } }))).toMatchObject(recipe)
  // 64 images in batches of 32: the rate stays, and of 12 steps the warm-up gets one.
  expect(specOf(await fork(source, { changes: { epochs: 6, globalBatch: 32 } }))).toMatchObject({
    learningRate: 0.00625,
    schedule: { kind: 'CONSTANT', warmUpSteps: 1 },
  })
  const anew = { epochs: 20, globalBatch: 32, learningRate: null, schedule: null }
  expect(specOf(await fork(source, { changes: anew }))).toMatchObject({
    learningRate: 0.0125,
    schedule: { kind: 'CONSTANT', warmUpSteps: 4 },
  })
  expect(
    await tryFork(source, { changes: { epochs: 1, schedule: { kind: 'CONSTANT', warmUpSteps: 4 } } }),
  ).toMatchObject({ field: 'changes.schedule.warmUpSteps' })
})

test('from where the origin began: at random, or with its own copy of what may be gone', async () => {
  expect(specOf(await fork(origin, { initialWeights: true, changes: { architecture: 'RESNET34' } }))).toMatchObject({
    initialise: { kind: 'RANDOM' },
    forkedFrom: { runId: keyOf(origin), checkpoint: null },
    model: { architecture: 'RESNET34' },
  })
  const made = await fork(origin, { checkpoint: `${keyOf(origin)}/${first}` })
  rmSync(join(origin.directory, 'checkpoints', first), { recursive: true })
  const again = await fork(made, { initialWeights: true })
  expect(specOf(again)).toMatchObject({
    initialise: beginsWith(first, true),
    forkedFrom: { runId: keyOf(made), checkpoint: null },
  })
  expect(readFileSync(join(again.directory, 'initial', 'model.safetensors'), 'utf8')).toBe(`weights of ${first}`)
  // A run without a checkpoint has nothing else to begin with.
  expect(specOf(await fork(bare))).toMatchObject({
    initialise: { kind: 'RANDOM' },
    model: { architecture: 'RESNET34' },
  })
})

test.each<[string, Record<string, unknown>, string, RegExp]>([
  [
    'another architecture',
    { changes: { architecture: 'RESNET50' } },
    'changes.architecture',
    /RESNET18, whose weights/,
  ],
  ['a wrong setting', { changes: { globalBatch: 18 } }, 'changes.globalBatch', /4 shards divide evenly; got 18/],
  ['a layer that is none', { reinitialise: ['head'] }, 'reinitialise', /got "head"/],
  ['both beginnings', { initialWeights: true, checkpoint: 'x/1-00000002' }, 'initialWeights', /got both/],
  ['fresh layers of nothing', { initialWeights: true, reinitialise: ['fc'] }, 'reinitialise', /only with a checkpoint/],
])('%s is refused, and leaves nothing', async (_, input, field, message) => {
  const before = readdirSync(join(home, 'runs'))
  expect(await tryFork(origin, input)).toMatchObject({
    ...{ __typename: 'InvalidInputFailure', code: 'INVALID_INPUT', field },
    message: expect.stringMatching(message) as string,
  })
  expect(readdirSync(join(home, 'runs'))).toEqual(before)
})

test('a checkpoint of another run, one that is gone, and a run that is none are refused', async () => {
  expect(await tryFork(bare, { checkpoint: `${keyOf(origin)}/${latest}` })).toMatchObject({ field: 'checkpoint' })
  expect(await tryFork(origin, { checkpoint: `${keyOf(origin)}/1-00000099` })).toMatchObject({
    __typename: 'NotFoundFailure',
  })
  expect(await tryFork({ ...origin, id: 'nope' })).toMatchObject({ __typename: 'NotFoundFailure' })
})

test('an origin lists its forks, oldest first', async () => {
  const source = await createRun(server.url, {})
  const made = [await fork(source), await fork(source, { name: 'second' })]
  const { run } = await query<{ run: unknown }>(
    server.url,
    'query ($id: ID!) { run(id: $id) { forkedFromId forks { id forkedFromId forks { id } } } }',
    { id: source.id },
  )
  expect(run).toEqual({
    forkedFromId: null,
    forks: made.map(({ id }) => ({ id, forkedFromId: source.id, forks: [] })),
  })
})
