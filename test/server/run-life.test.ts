// A run from its creation to its end, on a real server with a trainer that the test directs.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import {
  collectEvents,
  connect,
  createRun,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  subscribe,
  type SubscribedEvent,
  waitForEvent,
} from './server.ts'

let home: string
let server: RunningServer
let url: string

beforeAll(async () => {
  home = await makeFolder()
  server = await startTestServer(home, { trainerEntry: scriptedTrainer, cancelGraceMs: 300 })
  url = server.url
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

interface RunView {
  state: string
  deviceNames: string[]
  devices: { name: string; state: string; run: { id: string } | null }[]
  waitingFor: string | null
  progress: { step: number; steps: number | null; epoch: number; loss: number | null }
  failure: { code: string; message: string; step: number | null; nonFinite: boolean } | null
  epochMetrics: { epoch: number; accuracy: number; validationLoss: number }[]
  checkpoints: {
    nodes: { name: string; bytes: string; sha256: string; path: string; run: { id: string } }[]
    totalCount: number
  }
}

async function view(id: string): Promise<RunView> {
  const { run } = await query<{ run: RunView }>(
    url,
    `query ($id: ID!) { run(id: $id) {
      state deviceNames waitingFor
      devices { name state run { id } }
      progress { step steps epoch loss }
      failure { code message step nonFinite }
      epochMetrics { epoch accuracy validationLoss }
      checkpoints { totalCount nodes { name bytes sha256 path run { id } } }
    } }`,
    { id },
  )
  return run
}

async function evaluations(id: string): Promise<unknown> {
  const { epochMetrics } = await query<{ epochMetrics: unknown }>(
    url,
    `query ($id: ID!) { epochMetrics(runId: $id) {
      top5Accuracy
      perClass { class name images correct accuracy }
      confusionMatrix {
        complete rows
        confusions(first: 2) { trueClass trueName predictedClass predictedName images }
      }
    } }`,
    { id },
  )
  return epochMetrics
}

const types = (events: SubscribedEvent[]): string[] => events.map(({ __typename }) => __typename)

test('a run goes from queued to succeeded, and everything it logged can be asked for', async () => {
  const run = await createRun(url, { name: 'first', epochs: 1, devices: { names: ['cpu:1', 'cpu:0'] } })
  instruct(run, 'started', 'steps 3', 'epoch 1')
  await waitForEvent(url, run.id, 'CheckpointEvent')
  const during = await view(run.id)
  expect(during).toMatchObject({ state: 'RUNNING', deviceNames: ['cpu:1', 'cpu:0'], waitingFor: null })
  expect(during.devices).toEqual(['cpu:1', 'cpu:0'].map((name) => ({ name, state: 'LEASED', run: { id: run.id } })))
  instruct(run, 'finish')
  const events = await collectEvents(url, run.id)

  expect(types(events)).toEqual([
    'QueuedEvent',
    'LeasedEvent',
    'StartedEvent',
    'StepEvent',
    'StepEvent',
    'StepEvent',
    'EpochEvent',
    'CheckpointEvent',
    'FinishedEvent',
    'ReleasedEvent',
    'RunEndedEvent',
  ])
  expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED', failure: null, attempt: 0 })
  expect(events.map(({ attempt, seq }) => `${attempt}.${seq}`)).toEqual([
    '0.1',
    '0.2',
    '1.1',
    '1.2',
    '1.3',
    '1.4',
    '1.5',
    '1.6',
    '1.7',
    '0.3',
    '0.4',
  ])
  expect(new Set(events.map(({ runId }) => runId))).toEqual(new Set([run.id]))
  const after = await view(run.id)
  expect(after.state).toBe('SUCCEEDED')
  expect(after.progress).toEqual({ step: 3, steps: 10, epoch: 1, loss: 1 / 3 })
  expect(after.devices.map(({ state }) => state)).toEqual(['FREE', 'FREE'])
  expect(after.epochMetrics).toEqual([{ epoch: 1, accuracy: 0.875, validationLoss: 0.75 }])
  expect(await evaluations(run.id)).toEqual([
    {
      top5Accuracy: 1,
      perClass: [
        { class: 0, name: 'ring', images: 8, correct: 5, accuracy: 0.625 },
        { class: 1, name: 'arc', images: 0, correct: 0, accuracy: null },
        { class: 2, name: 'square', images: 8, correct: 7, accuracy: 0.875 },
      ],
      confusionMatrix: {
        complete: true,
        rows: [
          [5, 1, 2],
          [0, 0, 0],
          [0, 1, 7],
        ],
        confusions: [
          { trueClass: 0, trueName: 'ring', predictedClass: 2, predictedName: 'square', images: 2 },
          { trueClass: 0, trueName: 'ring', predictedClass: 1, predictedName: 'arc', images: 1 },
        ],
      },
    },
  ])
  expect(after.checkpoints).toEqual({
    totalCount: 1,
    nodes: [
      {
        name: '1-00000003',
        bytes: String(2 ** 33),
        sha256: 'ab'.repeat(32),
        path: join(run.directory, 'checkpoints', '1-00000003'),
        run: { id: run.id },
      },
    ],
  })
  expect(JSON.parse(readFileSync(join(run.directory, 'spec.json'), 'utf8'))).toMatchObject({ name: 'first', epochs: 1 })
})

test('what earlier versions did not measure is null, and a matrix with images in no cell has no rows', async () => {
  const run = await createRun(url, { epochs: 3 })
  const identity = { run: basename(run.directory), attempt: 1, seq: 4, at: new Date().toISOString() }
  const figures = { trainLoss: 1, validationLoss: 1, accuracy: 0.5, nonFinite: false, imagesPerSecond: 1 }
  const seconds = { learningRate: 1, userSeconds: 1, systemSeconds: 1, wallSeconds: 1 }
  const byClass = { top5Accuracy: 0.75, classImages: [4, 4], classCorrect: [2, 2], confusion: [1, 0, 2] }
  const partial = { ...identity, type: 'epoch', epoch: 2, step: 20, ...figures, ...seconds, ...byClass }
  instruct(run, 'started', 'old-epoch 1', `record ${JSON.stringify(partial)}`, 'skip 1', 'finish')
  expect((await collectEvents(url, run.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect(await evaluations(run.id)).toEqual([
    { top5Accuracy: null, perClass: null, confusionMatrix: null },
    {
      top5Accuracy: 0.75,
      perClass: ['ring', 'arc'].map((name, index) => ({ class: index, name, images: 4, correct: 2, accuracy: 0.5 })),
      confusionMatrix: {
        complete: false,
        rows: null,
        confusions: [{ trueClass: 1, trueName: 'arc', predictedClass: 0, predictedName: 'ring', images: 2 }],
      },
    },
  ])
})

test('a subscriber that starts in the middle, replayed or live, sees the rest once and in order', async () => {
  const run = await createRun(url)
  instruct(run, 'started', 'steps 5')
  const client = connect(url)
  const full: SubscribedEvent[] = []
  const whole = (async () => {
    for await (const event of subscribe(client, run.id)) full.push(event)
  })()
  const third = await waitForEvent(url, run.id, 'StepEvent', 3)
  const joined = collectEvents(url, run.id, third.cursor)
  instruct(run, 'steps 700', 'steps 700', 'epoch 1', 'finish')
  const rest = await joined
  await whole
  await client.dispose()

  expect(full).toHaveLength(2 + 1 + 1405 + 2 + 1 + 2)
  expect(full.filter(({ __typename }) => __typename === 'StepEvent').map(({ step }) => step)).toEqual(
    Array.from({ length: 1405 }, (_, index) => index + 1),
  )
  const place = full.findIndex(({ cursor }) => cursor === third.cursor)
  expect(rest).toEqual(full.slice(place + 1))
  // Replayed from the database alone, once the run has ended and its memory is gone.
  expect(await collectEvents(url, run.id)).toEqual(full)
  expect(await collectEvents(url, run.id, full.at(-1)?.cursor)).toEqual([])
})

test('an event is one row whatever way it is asked for', async () => {
  const run = await createRun(url)
  instruct(run, 'started', 'steps 4', 'finish')
  const events = await collectEvents(url, run.id)
  const text = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
    run(id: $id) { events(first: $first, after: $after, last: $last, before: $before) {
      nodes { cursor } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    } }
  }`
  type Page = { run: { events: { nodes: { cursor: string }[]; pageInfo: Record<string, unknown> } } }
  const page = async (args: Record<string, unknown>) =>
    (await query<Page>(url, text, { id: run.id, ...args })).run.events
  const cursors = events.map(({ cursor }) => cursor)

  const first = await page({ first: 3 })
  expect(first.nodes.map(({ cursor }) => cursor)).toEqual(cursors.slice(0, 3))
  expect(first.pageInfo).toEqual({
    hasNextPage: true,
    hasPreviousPage: false,
    startCursor: cursors[0],
    endCursor: cursors[2],
  })
  const rest = await page({ first: 100, after: cursors[2] })
  expect(rest.nodes.map(({ cursor }) => cursor)).toEqual(cursors.slice(3))
  expect(rest.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true })
  const back = await page({ last: 2, before: cursors[4] })
  expect(back.nodes.map(({ cursor }) => cursor)).toEqual(cursors.slice(2, 4))
  expect(back.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true })

  const { runEvent } = await query<{ runEvent: unknown }>(
    url,
    'query ($id: ID!, $cursor: String!) { runEvent(runId: $id, cursor: $cursor) { __typename cursor ... on StepEvent { step } } }',
    { id: run.id, cursor: cursors[4] },
  )
  expect(runEvent).toEqual({ __typename: 'StepEvent', cursor: cursors[4], step: 2 })
})

test('two runs that want one device take it in turn, and the one that waits says for what', async () => {
  // An engine that no run here has been measured with, so that nobody can tell when it ends.
  const first = await createRun(url, { devices: { names: ['cpu:0'] }, engine: 'TFJS' })
  const second = await createRun(url, { devices: { names: ['cpu:0'] } })
  expect(first.state).toBe('STARTING')
  expect(second).toMatchObject({ state: 'QUEUED', deviceNames: [] })
  expect(second.waitingFor).toBe(`cpu:0, held by run ${first.directory.split('/').at(-1)}. It is next.`)
  // Another device is not kept from anyone.
  const third = await createRun(url, { devices: { names: ['cpu:1'] } })
  expect(third.state).toBe('STARTING')

  instruct(first, 'started', 'finish')
  await waitForEvent(url, second.id, 'LeasedEvent')
  expect(await view(second.id)).toMatchObject({ deviceNames: ['cpu:0'], waitingFor: null })
  instruct(second, 'started', 'finish')
  instruct(third, 'started', 'finish')
  const [released, leased] = await Promise.all([
    waitForEvent(url, first.id, 'ReleasedEvent'),
    waitForEvent(url, second.id, 'LeasedEvent'),
  ])
  expect(Date.parse(leased.at)).toBeGreaterThanOrEqual(Date.parse(released.at))
  expect((await collectEvents(url, second.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  expect((await collectEvents(url, third.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})

const cancelText = `mutation ($id: ID!) { cancelRun(id: $id) {
  __typename ... on CancelRunSuccess { run { state } } ... on Failure { code message fix }
} }`
const cancel = async (id: string) =>
  (await query<{ cancelRun: Record<string, unknown> }>(url, cancelText, { id })).cancelRun

test('a running trainer is asked to leave; its run is canceled, and cannot be again', async () => {
  const run = await createRun(url)
  instruct(run, 'started', 'steps 2')
  await waitForEvent(url, run.id, 'StepEvent', 2)
  expect(await cancel(run.id)).toEqual({ __typename: 'CancelRunSuccess', run: { state: 'CANCELING' } })
  const events = await collectEvents(url, run.id)
  expect(types(events).slice(-4)).toEqual(['CancelRequestedEvent', 'StoppedEvent', 'ReleasedEvent', 'RunEndedEvent'])
  expect(events.at(-1)).toMatchObject({ state: 'CANCELED', failure: null })
  expect(await cancel(run.id)).toMatchObject({ __typename: 'ConflictFailure', code: 'CONFLICT' })
})

test('a trainer that does not listen is killed after the grace time', async () => {
  const run = await createRun(url)
  instruct(run, 'started', 'deaf', 'steps 1')
  await waitForEvent(url, run.id, 'StepEvent')
  await cancel(run.id)
  const events = await collectEvents(url, run.id)
  expect(types(events).slice(-3)).toEqual(['CancelRequestedEvent', 'ReleasedEvent', 'RunEndedEvent'])
  expect(events.at(-1)).toMatchObject({ state: 'CANCELED' })
})

test('a queued run is canceled at once and never starts', async () => {
  const holder = await createRun(url, { devices: { count: 2 } })
  const queued = await createRun(url, { devices: { count: 1 } })
  expect(queued.state).toBe('QUEUED')
  expect(await cancel(queued.id)).toEqual({ __typename: 'CancelRunSuccess', run: { state: 'CANCELED' } })
  expect(types(await collectEvents(url, queued.id))).toEqual(['QueuedEvent', 'CancelRequestedEvent', 'RunEndedEvent'])
  instruct(holder, 'started', 'finish')
  await collectEvents(url, holder.id)
  expect(existsSync(join(queued.directory, 'attempt.1.json'))).toBe(false)
  expect(existsSync(join(queued.directory, 'log.txt'))).toBe(false)
})

test('a run that does not exist, or an id of another kind, is not found', async () => {
  const { devices } = await query<{ devices: { nodes: { id: string }[] } }>(url, '{ devices { nodes { id } } }')
  for (const id of ['nothing', devices.nodes[0]?.id ?? '']) {
    expect(await cancel(id)).toMatchObject({ __typename: 'NotFoundFailure', code: 'NOT_FOUND' })
    expect(await collectEvents(url, id)).toMatchObject([{ __typename: 'NotFoundFailure', code: 'NOT_FOUND' }])
    expect(await query(url, 'query ($id: ID!) { run(id: $id) { id } }', { id })).toEqual({ run: null })
  }
})

test('a cursor that is none, or of an event to come, is refused by the subscription', async () => {
  const run = await createRun(url)
  instruct(run, 'started', 'steps 30', 'finish')
  const longer = await collectEvents(url, run.id)
  const other = await createRun(url)
  for (const after of ['nonsense', '', longer.at(-1)?.cursor ?? '']) {
    expect(await collectEvents(url, other.id, after)).toMatchObject([
      { __typename: 'InvalidInputFailure', code: 'INVALID_INPUT', field: 'after' },
    ])
  }
  instruct(other, 'started', 'finish')
  await collectEvents(url, other.id)
})

test("the trainer's own failure is the run's, with step and nonFinite", async () => {
  const run = await createRun(url)
  instruct(run, 'started', 'steps 7', 'fail')
  expect((await collectEvents(url, run.id)).at(-1)).toMatchObject({
    state: 'FAILED',
    failure: { code: 'NON_FINITE_LOSS', step: 7, nonFinite: true, fix: 'Lower the learning rate.' },
  })
  expect((await view(run.id)).failure).toMatchObject({ code: 'NON_FINITE_LOSS', step: 7, nonFinite: true })
})

test('a trainer that leaves without a word fails its run with its exit code and its last output', async () => {
  const run = await createRun(url)
  instruct(run, 'started', 'steps 2', 'epoch 1', 'torn', 'say out of luck', 'exit 70')
  const events = await collectEvents(url, run.id)
  expect(types(events).slice(-4)).toEqual(['CheckpointEvent', 'LogTornEvent', 'ReleasedEvent', 'RunEndedEvent'])
  expect(events.at(-3)).toMatchObject({ toAttempt: 1, bytes: '{"run":"'.length })
  expect(events.at(-1)?.failure).toEqual({
    code: 'TRAINER_DIED',
    message:
      'The trainer process exited with code 70 after step 2, with the checkpoint 1-00000002. Its last output: out of luck',
    fix: 'Look into log.txt in the run directory and report what it says.',
    step: 2,
    nonFinite: false,
  })
})

test.each([
  [
    'a line that is none of the trainer',
    'line {nonsense',
    /events\.1\.jsonl: expected the line at byte \d+ to have a checksum, as those before it have; found "\{nonsense"\./,
  ],
  [
    'a line that is no event',
    'record {"nonsense":1}',
    /events\.1\.jsonl: expected an event in the line at byte \d+; found "\{\\"nonsense\\":1,/,
  ],
  [
    'a line that the disk has changed',
    'damaged',
    /events\.1\.jsonl: expected the line at byte \d+ to have the checksum [0-9a-f]{8}; found [0-9a-f]{8}\./,
  ],
  ['a gap in the numbers', 'skip 2', /expected event 4; found event 6/],
])('%s ends the run, and its trainer with it', async (_what, command, message) => {
  const run = await createRun(url)
  instruct(run, 'started', 'steps 2', command, 'steps 1')
  const events = await collectEvents(url, run.id)
  expect(types(events).slice(-3)).toEqual(['StepEvent', 'ReleasedEvent', 'RunEndedEvent'])
  expect(events.at(-1)?.failure).toMatchObject({
    code: 'RUN_DIRECTORY_INVALID',
    message: expect.stringMatching(message) as string,
  })
  expect((await view(run.id)).devices).toMatchObject([{ state: 'FREE' }])
})

test('run directories hold nothing unfinished, one for each run', async () => {
  const { runs } = await query<{ runs: { totalCount: number; nodes: { directory: string }[] } }>(
    url,
    '{ runs(first: 100) { totalCount nodes { directory } } }',
  )
  expect(
    readdirSync(join(home, 'runs'))
      .map((name) => join(home, 'runs', name))
      .sort(),
  ).toEqual(runs.nodes.map(({ directory }) => directory).sort())
  expect(runs.totalCount).toBe(runs.nodes.length)
})
