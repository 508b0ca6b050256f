// What the store writes of a run's events: steps go a quicker way than the rest, to the same rows, and a group of runs is
// one transaction in which each run's part is whole or absent.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OpenDatabase, openDatabase } from '../../src/server/database/database.ts'
import { silentLog } from '../../src/server/log.ts'
import { emptyProjection, projectEvents, type RunProjection } from '../../src/server/runs/run.projection.ts'
import { isOfSteps } from '../../src/server/runs/run-steps.store.ts'
import { storeChanges } from '../../src/server/runs/run-changes.store.ts'
import { createRunStore, type RunChange, type RunStore } from '../../src/server/runs/run.store.ts'
import type { RunEvent } from '../../src/shared/events.ts'
import { storySpec } from './fixtures/run-story.ts'
import { makeFolder, removeFolder } from './server.ts'

let home: string
let database: OpenDatabase
let store: RunStore

beforeAll(async () => {
  home = await makeFolder()
  database = await openDatabase({ folder: home, url: null, log: silentLog })
  store = createRunStore(database)
})
afterAll(async () => {
  await database.close()
  await removeFolder(home)
})

const at = '2026-01-01T00:00:00.123Z'

async function insertRun(runId: string): Promise<RunProjection> {
  await store.insert(storySpec(runId), new Date(at))
  return { ...emptyProjection, stateSince: new Date(at), waitingSince: new Date(at) }
}

const stepEvent = (run: string, seq: number, loss: number | null): RunEvent => ({
  ...{ run, attempt: 1, seq, at, type: 'step', epoch: 1, step: seq, loss, nonFinite: loss === null },
  ...{ learningRate: 0.1, imagesPerSecond: 1 / 3 },
})
const epochsEnd = (run: string, seq: number): RunEvent => ({
  ...{ run, attempt: 1, seq, at, type: 'finished', epochs: 1, step: seq, wallSeconds: 1 },
})

function change(before: RunProjection, events: readonly RunEvent[]) {
  const batch = projectEvents(before, events)
  const seq = events.at(-1)?.seq ?? 0
  return { batch, positions: [{ attempt: 1, seq, part: 2, offset: 2 ** 40 + seq }] }
}

async function rowsOf(runId: string): Promise<unknown> {
  const { prisma } = database
  const { id: _, spec: __, ...run } = await prisma.run.findUniqueOrThrow({ where: { id: runId } })
  const events = await prisma.event.findMany({ where: { runId }, orderBy: { cursor: 'asc' } })
  const steps = await prisma.stepMetrics.findMany({ where: { runId }, orderBy: { cursor: 'asc' } })
  const logs = await prisma.eventLog.findMany({ where: { runId } })
  const anonymous = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)).replaceAll(
        runId,
        'RUN',
      ),
    )
  return anonymous({ run, events, steps, logs })
}

test('steps take the quick way, and only they', () => {
  const before = { ...emptyProjection, attempt: 1 }
  expect(isOfSteps(projectEvents(before, [stepEvent('r', 1, 0.5), stepEvent('r', 2, null)]))).toBe(true)
  expect(isOfSteps(projectEvents(before, [stepEvent('r', 1, 0.5), epochsEnd('r', 2)]))).toBe(false)
  // What changes something else than a step does goes the long way, whatever it is called.
  const batch = projectEvents(before, [stepEvent('r', 1, 0.5)])
  expect(isOfSteps({ ...batch, changed: [...batch.changed, 'state'] })).toBe(false)
})

test('both ways lead to the same rows, for many runs at once', async () => {
  const names = ['r-quick', 'r-other', 'r-long']
  const runs = await Promise.all(names.map(insertRun))
  const losses = [2.302585092994046, null, 1e-300]
  await Promise.all(
    names.map((name, index) => {
      const events = losses.map((loss, place) => stepEvent(name, place + 1, loss))
      const { batch, positions } = change(runs[index] ?? emptyProjection, events)
      // A change that is none sends the third the long way.
      return store.apply(name, name === 'r-long' ? { ...batch, changed: ['state'] } : batch, positions)
    }),
  )
  const [quick, alsoQuick, long] = await Promise.all(names.map(rowsOf))
  expect(long).toMatchObject({
    run: { lastCursor: 3, step: 3, loss: 1e-300, imagesPerSecond: 1 / 3 },
    events: [],
    steps: [
      { cursor: 1, seq: 1, at, loss: losses[0] },
      { loss: null, nonFinite: true },
      { cursor: 3, loss: 1e-300 },
    ],
    logs: [{ attempt: 1, seq: 3, part: 2, offset: String(2 ** 40 + 3) }],
  })
  expect(quick).toEqual(long)
  expect(alsoQuick).toEqual(long)
})

test('a batch that does not follow the newest event writes nothing, and the rest of its group stands', async () => {
  const names = ['r-before', 'r-stale', 'r-after']
  const runs = await Promise.all(names.map(insertRun))
  const stale = { ...(runs[1] ?? emptyProjection), lastCursor: 7 }
  const results = await Promise.allSettled(
    [runs[0], stale, runs[2]].map((before, index) => {
      const name = names[index] ?? ''
      const { batch, positions } = change(before ?? emptyProjection, [stepEvent(name, 1, 0.5)])
      return store.apply(name, batch, positions)
    }),
  )
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(String((results[1] as PromiseRejectedResult).reason)).toContain('a run has other events by now')
  expect(await rowsOf('r-stale')).toMatchObject({ run: { lastCursor: 0, step: 0 }, steps: [], logs: [] })
  expect(await rowsOf('r-after')).toMatchObject({ run: { lastCursor: 1, step: 1 }, steps: [{ cursor: 1 }] })
})

test('devices that an attempt gives back are the next one’s in the same batch', async () => {
  const before = await insertRun('r-leases')
  const leased = (seq: number, toAttempt: number): RunEvent => ({
    ...{ run: 'r-leases', attempt: 0, seq, at, behind: { attempt: 0, seq: 0 }, type: 'leased', toAttempt },
    ...{ devices: ['cpu:r'], backfilledUntil: null },
  })
  const own = { run: 'r-leases', attempt: 0, at, behind: { attempt: 0, seq: 0 } }
  const first = projectEvents(before, [{ ...own, seq: 1, type: 'queued', plan: null }, leased(2, 1)])
  await store.apply('r-leases', first, [])
  const second = projectEvents(first.run, [
    { ...own, seq: 3, type: 'released', toAttempt: 1, devices: ['cpu:r'], fault: null },
    { ...own, seq: 4, type: 'yielded', checkpoint: null },
    leased(5, 2),
  ])
  await store.apply('r-leases', second, [])
  const leases = await database.prisma.lease.findMany({ where: { runId: 'r-leases' } })
  expect(leases).toEqual([{ deviceName: 'cpu:r', runId: 'r-leases', attempt: 2, leasedAt: new Date(at) }])
})

/** Of a run's course, with something for every table. */
function course(run: string, before: RunProjection): RunChange {
  const own = { run, attempt: 0, at, behind: { attempt: 0, seq: 0 } }
  const trainers = { run, attempt: 1, at }
  const name = '1-00000001'
  const leased = { toAttempt: 1, devices: [`device of ${run}`] }
  const figures = {
    ...{ trainLoss: 1, validationLoss: 1, accuracy: 1, top5Accuracy: 1, nonFinite: false, imagesPerSecond: 1 },
    ...{ learningRate: 1, userSeconds: 1, systemSeconds: 1, wallSeconds: 1 },
    ...{ classImages: [], classCorrect: [], confusion: [] },
  }
  const events: RunEvent[] = [
    { ...own, seq: 1, type: 'queued', plan: null },
    { ...own, seq: 2, type: 'leased', ...leased, backfilledUntil: null },
    startedEvent(run),
    stepEvent(run, 2, 0.5),
    { ...trainers, seq: 3, type: 'epoch', epoch: 1, step: 1, ...figures },
    { ...trainers, seq: 4, type: 'checkpoint', name, epoch: 1, step: 1, bytes: 2 ** 33, sha256: 'ab'.repeat(32) },
    { ...own, seq: 3, type: 'checkpointPinned', name, pinned: true },
    { ...own, seq: 4, type: 'checkpointDeleted', name },
    { ...own, seq: 5, type: 'released', ...leased, fault: 'SIGSEGV' },
    { ...own, seq: 6, type: 'resumeRequested', checkpoint: null, devices: null },
    { ...own, seq: 7, type: 'leased', toAttempt: 2, devices: leased.devices, backfilledUntil: at },
  ]
  return { runId: run, batch: projectEvents(before, events), positions: [{ attempt: 0, seq: 7, part: 1, offset: 9 }] }
}

const startedEvent = (run: string): RunEvent => ({
  ...{ run, attempt: 1, seq: 1, at, type: 'started', engine: 'e', engineDetail: 'd', devices: [], shards: 1 },
  ...{ globalBatch: 1, epochs: 1, stepsPerEpoch: 1, parameters: 1, trainImages: 1, validationImages: 1 },
  ...{ skippedImages: 0, precision: 'FP32', accumulationSteps: 1, syncBatchNorm: false, memoryBytes: 1, pid: 1 },
  ...{ classNames: ['ring', 'it\'s "another"'], channels: 1 },
})

test('a hundred runs take the statements that one takes, to the same rows', async () => {
  const ids = Array.from({ length: 100 }, (_, index) => `r-course-${index}`)
  const runs = await Promise.all(ids.map(insertRun))
  const changes = ids.map((id, index) => course(id, runs[index] ?? emptyProjection))
  const [alone] = changes
  if (alone === undefined) throw new Error('there is no run')
  expect(storeChanges(database.prisma, changes)).toHaveLength(storeChanges(database.prisma, [alone]).length)
  await Promise.all(changes.map(({ runId, batch, positions }) => store.apply(runId, batch, positions)))
  const { prisma } = database
  const where = { where: { runId: { in: ids } } }
  const counts = [prisma.event.count(where), prisma.stepMetrics.count(where), prisma.epochMetrics.count(where)]
  expect(await Promise.all(counts)).toEqual([1000, 100, 100])
  const last = ids.at(-1) ?? ''
  expect(await rowsOf(last)).toEqual(await rowsOf(alone.runId))
  const release = { startedAt: new Date(at), startStep: 0, releasedAt: new Date(at), fault: 'SIGSEGV' }
  const none = { startedAt: null, startStep: null, releasedAt: null, fault: null }
  const attempt = { runId: last, deviceNames: [`device of ${last}`], leasedAt: new Date(at) }
  expect(await prisma.attempt.findMany({ where: { runId: last }, orderBy: { number: 'asc' } })).toEqual([
    { ...attempt, number: 1, ...release },
    { ...attempt, number: 2, ...none },
  ])
  expect(await prisma.checkpoint.findMany({ where: { runId: last } })).toMatchObject([
    { name: '1-00000001', bytes: 2n ** 33n, pinned: false, deletedAt: new Date(at), classes: 2, parent: null },
  ])
  expect(await prisma.lease.findMany({ where: { runId: last } })).toMatchObject([{ attempt: 2 }])
  expect(await prisma.run.findUnique({ where: { id: last } })).toMatchObject({
    ...{ state: 'STARTING', parameters: 1n, plan: null, classNames: ['ring', 'it\'s "another"'] },
    ...{ backfilledUntil: new Date(at), lastCursor: 11 },
  })
})

test('what an epoch measured is stored to the last digit', async () => {
  const before = await insertRun('r-epochs')
  const figures = {
    ...{ trainLoss: Number.MAX_VALUE, validationLoss: 0.1 + 0.2, accuracy: 1 / 3, top5Accuracy: null, nonFinite: true },
    ...{ imagesPerSecond: 123456.78901234567, learningRate: 5e-324, userSeconds: 1e23, systemSeconds: 2 / 3 },
    ...{ wallSeconds: 0.1 * 3, classImages: [8, 0, 8], classCorrect: [5, 0, 7], confusion: [0, 2, 2] },
  }
  const event: RunEvent = { run: 'r-epochs', attempt: 1, seq: 1, at, type: 'epoch', epoch: 1, step: 9, ...figures }
  const bare: RunEvent = { ...event, seq: 2, epoch: 2, classImages: [], classCorrect: [], confusion: [] }
  const { batch, positions } = change(before, [event, bare])
  await store.apply('r-epochs', batch, positions)
  const rows = await database.prisma.epochMetrics.findMany({ where: { runId: 'r-epochs' }, orderBy: { epoch: 'asc' } })
  const row = { runId: 'r-epochs', attempt: 1, step: 9, superseded: false, ...figures }
  expect(rows).toEqual([
    { ...row, epoch: 1 },
    { ...row, epoch: 2, classImages: [], classCorrect: [], confusion: [] },
  ])
})

test('a spec is parsed once, and anew for another run of the same id', async () => {
  await insertRun('r-spec')
  const first = await store.find('r-spec')
  expect((await store.find('r-spec'))?.spec).toBe(first?.spec)
  await store.delete('r-spec')
  await store.insert({ ...storySpec('r-spec'), epochs: 7 }, new Date(at))
  expect((await store.find('r-spec'))?.spec).toEqual({ ...first?.spec, epochs: 7 })
})

test('what the queue plans by is as the run is, also once its first event has brought its plan', async () => {
  const before = await insertRun('r-planned')
  const planned = async () => (await store.listInStates(['QUEUED'])).find(({ id }) => id === 'r-planned')
  expect((await planned())?.plan).toBeNull()
  const plan = {
    ...{ parameters: 42, image: null, flopsPerImage: null, memoryBytes: null, stepsPerEpoch: 7, validationImages: 3 },
    ...{ imagesPerSecond: null, durationSeconds: null, basis: null, basedOn: 'nothing', deviceNames: [] },
    waitSeconds: 0.5,
  }
  const own = { run: 'r-planned', attempt: 0, at, behind: { attempt: 0, seq: 0 } }
  await store.apply('r-planned', projectEvents(before, [{ ...own, seq: 1, type: 'queued', plan }]), [])
  for (const found of [await planned(), await planned()]) {
    expect(found).toMatchObject({ plan, spec: storySpec('r-planned'), priority: 0, waitingSince: new Date(at) })
    expect(await store.find('r-planned')).toMatchObject({ ...found })
  }
  await store.delete('r-planned')
  expect(await planned()).toBeUndefined()
})
