// Run directories that a disk has damaged, in a whole server: their runs end and say why, their devices and trainers are
// free of them, and nobody else notices.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RunningServer } from '../../src/server/start.ts'
import { type FragilePostgres, startFragilePostgres } from './fixtures/fragile-postgres.ts'
import {
  collectEvents,
  createRun,
  type CreatedRun,
  instruct,
  makeFolder,
  query,
  recordingLog,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  waitForEvent,
} from './server.ts'
import { isAlive, trainerPid } from './trainer-pid.ts'

let home: string
let server: RunningServer | undefined
let postgres: FragilePostgres | undefined

beforeEach(async () => {
  home = await makeFolder()
})
afterEach(async () => {
  await server?.close()
  await postgres?.close()
  server = postgres = undefined
  await removeFolder(home)
})

const options = { trainerEntry: scriptedTrainer, cpuDevices: 2 }

async function started(url: string, device: string): Promise<CreatedRun> {
  const run = await createRun(url, { devices: { names: [device] }, epochs: 2 })
  instruct(run, 'beats', 'started', 'steps 3', 'epoch 1')
  await waitForEvent(url, run.id, 'CheckpointEvent')
  return run
}

const fileOf = ({ directory }: CreatedRun): string => join(directory, 'events.server.jsonl')

/** The first bit of the byte at which a text begins, the last time that it is there. */
function damage(file: string, text: string): void {
  const bytes = readFileSync(file)
  const at = bytes.lastIndexOf(text)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
  writeFileSync(file, bytes)
}

interface RunView {
  state: string
  failure: { code: string; message: string } | null
}

async function view(url: string, { id }: CreatedRun): Promise<RunView> {
  const text = 'query ($id: ID!) { run(id: $id) { state failure { code message } } }'
  return (await query<{ run: RunView }>(url, text, { id })).run
}

/** Devices that runs have. */
async function held(url: string): Promise<string[]> {
  const { devices } = await query<{ devices: { nodes: { name: string; run: unknown }[] } }>(
    url,
    '{ devices { nodes { name run { id } } } }',
  )
  return devices.nodes.flatMap(({ name, run }) => (run === null ? [] : [name]))
}

async function forkOf(url: string, { id }: CreatedRun): Promise<CreatedRun> {
  const { forkRun } = await query<{ forkRun: { run: CreatedRun } }>(
    url,
    'mutation ($id: ID!) { forkRun(id: $id) { ... on ForkRunSuccess { run { id directory } } } }',
    { id },
  )
  return forkRun.run
}

const invalid = (message: RegExp) => ({
  state: 'FAILED',
  failure: { code: 'RUN_DIRECTORY_INVALID', message: expect.stringMatching(message) as string },
})
const checksum =
  /^events\.server\.jsonl: expected the line at byte \d+ to have the checksum [0-9a-f]{8}; found [0-9a-f]{8}\. What came before counts; the damaged file is kept as events\.server\.jsonl\.damaged-1\.$/

test('found at a start that makes the database anew; then the run goes on, and is the origin of others', async () => {
  const { url } = (server = await startTestServer(home, { ...options, trainersOnExit: 'LEAVE' }))
  const [harmed, well] = [await started(url, 'cpu:0'), await started(url, 'cpu:1')]
  await server.close()
  await rm(join(home, 'db'), { recursive: true })
  // All that is lost is the newline behind `leased`.
  damage(fileOf(harmed), '\n')

  const log = recordingLog()
  const { url: again } = (server = await startTestServer(home, { ...options, log }))
  expect(await view(again, harmed)).toEqual(
    invalid(/^events\.server\.jsonl: expected a newline at byte \d+; found byte value 11\. What came before counts; /),
  )
  expect(isAlive(trainerPid(harmed))).toBe(false)
  expect(await held(again)).toEqual(['cpu:1'])
  const counts = '1 re-adopted, 0 launched, 0 ended meanwhile, 0 requeued, 0 queued, 1 damaged, 1 reaped'
  expect(log.lines).toContain(`Runs taken up: ${counts}.`)

  instruct(well, 'steps 1', 'finish')
  expect((await collectEvents(again, well.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })

  const fork = await forkOf(again, harmed)
  instruct(fork, 'started', 'finish')
  expect((await collectEvents(again, fork.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  await query(again, 'mutation ($id: ID!) { resumeRun(runId: $id) { __typename } }', { id: harmed.id })
  instruct(harmed, 'finish')
  expect((await collectEvents(again, harmed.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
})

test('found while the server runs: the trainer is ended, and who waited has its device', async () => {
  postgres = await startFragilePostgres(join(home, 'postgres'))
  const log = recordingLog()
  const settings = { ...options, databaseUrl: postgres.url, silentSeconds: 1, log }
  const { url } = (server = await startTestServer(home, settings))
  const [harmed, well] = [await started(url, 'cpu:0'), await started(url, 'cpu:1')]
  const waiting = await createRun(url, { devices: { names: ['cpu:0'] } })

  // What is decided now comes to lie in the file alone.
  await postgres.goAway()
  instruct(harmed, 'mute')
  await expect.poll(() => readFileSync(fileOf(harmed), 'utf8'), { timeout: 20_000 }).toContain('"unreachable"')
  damage(fileOf(harmed), '"unreachable"')
  await postgres.comeBack()

  const events = await collectEvents(url, harmed.id)
  expect(events.slice(-2)).toMatchObject([
    { __typename: 'ReleasedEvent' },
    { __typename: 'RunEndedEvent', ...invalid(checksum) },
  ])
  expect(isAlive(trainerPid(harmed))).toBe(false)
  await waitForEvent(url, waiting.id, 'LeasedEvent')
  instruct(waiting, 'started', 'finish')
  instruct(well, 'steps 1', 'finish')
  for (const { id } of [waiting, well]) {
    expect((await collectEvents(url, id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  }
  expect(await held(url)).toEqual([])
  expect(log.lines.filter((line) => line.includes('is damaged'))).toHaveLength(1)
})

test('a queued run whose spec is gone, or none, ends when its turn comes, also over a restart', async () => {
  const settings = { ...options, cpuDevices: 1, trainersOnExit: 'LEAVE' as const }
  const { url } = (server = await startTestServer(home, settings))
  const running = await started(url, 'cpu:0')
  const [gone, none, well] = [await createRun(url), await createRun(url), await createRun(url)]
  rmSync(join(gone.directory, 'spec.json'))
  writeFileSync(join(none.directory, 'spec.json'), '{')
  await server.close()

  const { url: again } = (server = await startTestServer(home, { ...settings, trainersOnExit: 'CANCEL' }))
  for (const run of [gone, none]) expect(await view(again, run)).toEqual({ state: 'QUEUED', failure: null })
  instruct(running, 'finish')
  expect((await collectEvents(again, gone.id)).at(-1)).toMatchObject(
    invalid(/^spec\.json: expected the spec of run \S+; found no file\.$/),
  )
  expect((await collectEvents(again, none.id)).at(-1)).toMatchObject(
    invalid(/^spec\.json: expected the spec of run \S+; found "\{" \(.+\)\.$/),
  )
  await waitForEvent(again, well.id, 'LeasedEvent')
  instruct(well, 'started', 'finish')
  const fork = await forkOf(again, gone)
  instruct(fork, 'started', 'finish')
  for (const { id } of [well, fork]) {
    expect((await collectEvents(again, id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
  }
})
