// Trainers that stand still for a while, as on a machine that is suspended: silent they are not taken for dead, and those that
// others have taken the place of do no harm when they come back. Real trainers, and real weights.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import {
  checkpointsFolder,
  eventsFile,
  exitFile,
  fenceFile,
  lockFile,
  parseExitRecord,
} from '../../src/shared/run-directory.ts'
import { deviceOf } from './device-views.ts'
import { act, courseOf } from './run-actions.ts'
import { courseOfTypes, endOf, expectAsUndisturbed, seqsOf, upTo } from './run-account.ts'
import { createRun, type CreatedRun, makeFolder, removeFolder, startTestServer, waitForEvent } from './server.ts'
import { freeze, isAlive, thaw, trainerPid } from './trainer-pid.ts'

/** Long enough for it to be seen to go on. */
const long = { epochs: 3, trainImages: 640 }
const short = { epochs: 2, trainImages: 48 }

let home: string
let server: RunningServer

const start = (): Promise<RunningServer> => startTestServer(home, { trainersOnExit: 'LEAVE', silentSeconds: 3 })

beforeAll(async () => {
  home = await makeFolder()
  server = await start()
})
afterAll(async () => {
  await server.close()
  await removeFolder(home)
})

test('silent, a run keeps its devices and is not given up; heard of again, it goes on as if nothing had been', async () => {
  const reference = await createRun(server.url, { ...long, devices: { names: ['cpu:1'] } })
  const run = await createRun(server.url, { ...long, devices: { names: ['cpu:0'] } })
  await waitForEvent(server.url, run.id, 'StepEvent', 2)
  const pid = trainerPid(run)
  await freeze(pid)
  await waitForEvent(server.url, run.id, 'UnreachableEvent')
  expect(await courseOf(server.url, run.id)).toMatchObject({ state: 'UNREACHABLE' })
  expect(await deviceOf(server.url, 'cpu:0')).toMatchObject({ state: 'LEASED', run: { id: run.id } })
  const next = await createRun(server.url, { devices: { names: ['cpu:0'] } })
  expect(next).toMatchObject({
    state: 'QUEUED',
    waitingFor: expect.stringMatching(/^cpu:0, held by run \S+.* It is next\b/) as string,
  })
  await act(server.url, 'CANCEL', next)
  thaw(pid)
  await waitForEvent(server.url, run.id, 'ReachableEvent')
  expect((await courseOf(server.url, run.id)).state).toBe('RUNNING')
  const account = await endOf(server.url, run)
  expect(courseOfTypes(account).slice(-2)).toEqual(['Released', 'RunEnded'])
  expect(account.events.filter(({ type }) => type === 'Leased')).toHaveLength(1)
  expectAsUndisturbed(account, await endOf(server.url, reference))
})

const unfinished = ({ directory }: CreatedRun): string[] =>
  readdirSync(checkpointsFolder(directory)).filter((name) => name.startsWith('.tmp-'))

/** Stops its trainer in the middle of a checkpoint that is not its first. */
async function freezeWhileItSaves(run: CreatedRun): Promise<number> {
  await waitForEvent(server.url, run.id, 'CheckpointEvent')
  const pid = trainerPid(run)
  for (;;) {
    await vi.waitFor(() => expect(unfinished(run)).toHaveLength(1), { timeout: 30_000, interval: 1 })
    await freeze(pid)
    if (unfinished(run).length === 1) return pid
    thaw(pid)
  }
}

/** As if it ran in another container that shares the folder: nobody here can tell whether it lives, or end it. */
function moveElsewhere({ directory }: CreatedRun): void {
  const lock = JSON.parse(readFileSync(lockFile(directory, 1), 'utf8')) as Record<string, unknown>
  writeFileSync(lockFile(directory, 1), JSON.stringify({ ...lock, host: 'elsewhere' }))
}

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

test('given up for a next attempt and back in the middle of it, a trainer writes nothing more, and leaves', async () => {
  const reference = await createRun(server.url, { ...short, devices: { names: ['cpu:1'] } })
  const often = { ...short, checkpoints: { everySteps: 1, keepLast: 2 } }
  const run = await createRun(server.url, { ...often, devices: { names: ['cpu:0'] } })
  const pid = await freezeWhileItSaves(run)
  await server.close()
  moveElsewhere(run)
  server = await start()
  await waitForEvent(server.url, run.id, 'UnreachableEvent')
  expect(await deviceOf(server.url, 'cpu:0')).toMatchObject({ state: 'LEASED', run: { id: run.id } })
  await act(server.url, 'RESUME', run)
  await waitForEvent(server.url, run.id, 'StartedEvent', 2)
  expect(isAlive(pid)).toBe(true)
  thaw(pid)
  await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false)
  const { code, at: leftAt } = parseExitRecord(readJson(exitFile(run.directory, 1)))
  expect(code).toBe(8)

  const account = await endOf(server.url, run)
  expectAsUndisturbed(account, await endOf(server.url, reference))
  const { seq: fence } = readJson(fenceFile(run.directory, 1)) as { seq: number }
  const ofFirst = account.events.filter(({ attempt }) => attempt === 1)
  expect(seqsOf(account, 1)).toEqual(upTo(fence))
  expect(ofFirst.filter(({ type }) => !/^(Started|Step|Checkpoint|CheckpointsRemoved)$/.test(type))).toEqual([])
  // What counts is all there is: it has not written a line since.
  expect(readFileSync(eventsFile(run.directory, 1), 'utf8').trimEnd().split('\n')).toHaveLength(fence)
  // The newer attempt trained on when it had left.
  expect(account.events.findLast(({ type }) => type === 'Step')?.at.localeCompare(leftAt)).toBe(1)
  expect(account.checkpoints.map(({ attempt }) => attempt)).toEqual([2, 2])
  expect(readdirSync(checkpointsFolder(run.directory)).sort()).toEqual(account.checkpoints.map(({ name }) => name))
})
