// The database made anew from the run directories: each row of each table is the one that was stored while the runs went on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { findPostgres, startOwnPostgres } from '../../bench/queries/postgres.ts'
import { lockHome } from '../../src/server/database/home-lock.ts'
import { keptTables, trainingTables } from '../../src/server/database/training-tables.ts'
import { Prisma } from '../../src/server/prisma-client/client.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { entryCommand } from '../../src/shared/entry.ts'
import { identityOf, type ProcessIdentity } from '../../src/shared/process-identity.ts'
import { changeRows, inDatabase, type Place, readRows, rebuildHere, type Rows } from './fixtures/training-rows.ts'
import { cases } from './recovery-cases.ts'
import { ask } from './run-actions.ts'
import {
  collectEvents,
  createRun,
  type CreatedRun,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  waitForEvent,
} from './server.ts'
import { writeRun } from './written-run.ts'

let home: string
let place: Place
/** What the server had stored when it ended. */
let before: Rows

beforeAll(async () => {
  home = await makeFolder()
  place = { home, databaseUrl: null }
  await writeCases()
  // One device for each of the written runs, and as many for those that follow.
  const server = await startTestServer(home, {
    trainerEntry: scriptedTrainer,
    cpuDevices: cases.length + 8,
    trainersOnExit: 'LEAVE',
    cancelGraceMs: 200,
    // Its trainers have no heartbeat.
    silentSeconds: 600,
  })
  try {
    await driveCourses(server)
  } finally {
    await server.close()
  }
  before = await readRows(place)
})
afterAll(async () => {
  await removeFolder(home)
})

async function endedProcess(): Promise<ProcessIdentity> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  const ended = identityOf(child.pid ?? 0)
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
  return ended
}

/** Every point at which a server may have died, but those at which a trainer lives. */
async function writeCases(): Promise<void> {
  const dead = await endedProcess()
  for (const [index, each] of cases.entries()) {
    if (each.trainer === 'alive') continue
    const devices = { kind: 'NAMED', names: ['cpu:none'] }
    const run = writeRun(home, { name: each.name, devices, ...(each.retry === undefined ? {} : { retry: each.retry }) })
    run.write(...each.deeds(`cpu:${index}`))
    if (each.trainer === 'dead') run.lock(dead)
    if (each.exit !== undefined) run.exit(each.exit)
    each.prepare?.(run)
  }
}

const on = (...numbers: number[]) => ({ devices: { names: numbers.map((number) => `cpu:${cases.length + number}`) } })

async function driveCourses({ url }: RunningServer): Promise<void> {
  await Promise.all([
    driveCheckpoints(url),
    driveResumption(url),
    drivePause(url),
    driveRetry(url),
    driveDeaths(url),
    driveLive(url),
  ])
}

async function listCheckpoints(url: string, { id: runId }: CreatedRun): Promise<string[]> {
  const text = `{ checkpoints(runId: "${runId}") { nodes { id } } }`
  const { checkpoints } = await query<{ checkpoints: { nodes: { id: string }[] } }>(url, text)
  return checkpoints.nodes.map(({ id }) => id)
}

/** More steps than a block of them has, checkpoints pinned, unpinned and deleted, and a fork. */
async function driveCheckpoints(url: string): Promise<void> {
  const run = await createRun(url, { ...on(0), name: 'long' })
  instruct(run, 'started 10', 'steps 150', 'epoch 1', 'steps 150', 'epoch 2', 'steps 7', 'epoch 3', 'finish')
  await collectEvents(url, run.id)
  const names = ['1-00000150', '1-00000300', '1-00000307']
  for (const name of names) {
    mkdirSync(join(run.directory, 'checkpoints', name), { recursive: true })
    writeFileSync(join(run.directory, 'checkpoints', name, 'model.safetensors'), 'weights')
  }
  const [first, second, third] = await listCheckpoints(url, run)
  await query(
    url,
    `mutation {
      a: pinCheckpoint(id: "${first ?? ''}") { __typename } b: pinCheckpoint(id: "${second ?? ''}") { __typename }
      c: pinCheckpoint(id: "${second ?? ''}", pinned: false) { __typename }
      d: deleteCheckpoint(id: "${third ?? ''}") { __typename }
      e: forkRun(id: "${run.id}", input: { name: "fork" }) { __typename }
    }`,
  )
  const { runs } = await query<{ runs: { nodes: (CreatedRun & { name: string })[] } }>(
    url,
    '{ runs(first: 100) { nodes { id name directory } } }',
  )
  const fork = runs.nodes.find(({ name }) => name === 'fork')
  if (fork === undefined) throw new Error('the run was not forked')
  instruct(fork, 'started', 'steps 130', 'epoch 1', 'finish')
  await collectEvents(url, fork.id)
}

/** An attempt whose last steps are trained anew by the next, on other devices. */
async function driveResumption(url: string): Promise<void> {
  const run = await createRun(url, on(1))
  instruct(run, 'started', 'once steps 140', 'once epoch 1', 'once steps 9', 'once epoch 2', 'once fail')
  const end = await waitForEvent(url, run.id, 'RunEndedEvent')
  const [checkpoint = ''] = await listCheckpoints(url, run)
  await ask(url, 'RESUME', { id: run.id, checkpoint, ...on(2) })
  instruct(run, 'steps 20', 'epoch 2', 'finish')
  await collectEvents(url, run.id, end.cursor)
}

async function drivePause(url: string): Promise<void> {
  const run = await createRun(url, { ...on(3), priority: 2 })
  instruct(run, 'started', 'steps 5', 'epoch 1')
  await waitForEvent(url, run.id, 'CheckpointEvent')
  await ask(url, 'PAUSE', { id: run.id })
  await waitForEvent(url, run.id, 'PausedEvent')
  await ask(url, 'SET_PRIORITY', { id: run.id, priority: 5 })
  await ask(url, 'RESUME', { id: run.id })
  await waitForEvent(url, run.id, 'StartedEvent', 2)
  await ask(url, 'CANCEL', { id: run.id })
  await waitForEvent(url, run.id, 'RunEndedEvent')
}

/** 5: the disk was full, which may pass. */
async function driveRetry(url: string): Promise<void> {
  const run = await createRun(url, { ...on(4), retry: { maxAttempts: 2, backoffSeconds: 0 } })
  instruct(run, 'started', 'steps 3', 'once exit 5', 'epoch 1', 'finish')
  await collectEvents(url, run.id)
}

/** Half a line, and a line that the disk has changed. */
async function driveDeaths(url: string): Promise<void> {
  const torn = await createRun(url, on(5))
  instruct(torn, 'started', 'steps 2', 'torn', 'exit 1')
  const damaged = await createRun(url, on(6))
  instruct(damaged, 'started', 'steps 2', 'damaged')
  await Promise.all([torn, damaged].map(({ id }) => collectEvents(url, id)))
}

/** One that trains on when the server is gone, with its devices, one that waits for them, and one held back. */
async function driveLive(url: string): Promise<void> {
  const live = await createRun(url, on(7))
  instruct(live, 'started', 'steps 131')
  await waitForEvent(url, live.id, 'StepEvent', 131)
  await createRun(url, on(7))
  const paused = await createRun(url, on(7))
  await ask(url, 'PAUSE', { id: paused.id })
}

test('every table of the database is one that is made anew, or one that is kept', () => {
  const tables = [...trainingTables, ...keptTables].sort()
  expect(tables).toEqual(Object.values(Prisma.ModelName).sort())
})

test('the courses have left rows of every kind', () => {
  const states = before['Run']?.map((row) => (row as { state: string }).state) ?? []
  expect([...new Set(states)].sort()).toEqual(['CANCELED', 'FAILED', 'PAUSED', 'QUEUED', 'RUNNING', 'SUCCEEDED'])
  expect(before['Lease']).toHaveLength(1)
  for (const table of trainingTables) expect(before[table], table).not.toEqual([])
  expect(before['EpochMetrics']).toContainEqual(expect.objectContaining({ superseded: true }))
  expect(before['Checkpoint']).toContainEqual(expect.objectContaining({ pinned: true }))
  expect(before['Checkpoint']).toContainEqual(expect.objectContaining({ deletedAt: expect.any(String) as string }))
  expect(before['Run']).toContainEqual(expect.objectContaining({ forkedFrom: expect.any(String) as string }))
})

test('a database that was deleted is made anew, row for row', async () => {
  await rm(join(home, 'db'), { recursive: true })
  expect(await rebuildHere(place)).toMatchObject({
    kind: 'REBUILT',
    counts: {
      runs: before['Run']?.length,
      events: (before['Event']?.length ?? 0) + (before['StepMetrics']?.length ?? 0),
      steps: before['StepMetrics']?.length,
      checkpoints: before['Checkpoint']?.length,
    },
    gone: [],
    refused: [],
  })
  expect(await readRows(place)).toEqual(before)
  const equal = { kind: 'CHECKED', differing: [], first: [], behind: [], gone: [] }
  expect(await rebuildHere(place, { check: true })).toMatchObject(equal)
})

test('so is what a real trainer wrote, in a log of several parts, of whose checkpoints it kept one', async () => {
  vi.stubEnv('TRAINQL_LOG_PART_BYTES', '4096')
  const folder = await makeFolder()
  try {
    const server = await startTestServer(folder)
    try {
      const run = await createRun(server.url, { epochs: 3, checkpoints: { keepLast: 1 } })
      expect((await collectEvents(server.url, run.id)).at(-1)).toMatchObject({ state: 'SUCCEEDED' })
    } finally {
      await server.close()
    }
    const there = { home: folder, databaseUrl: null }
    const stored = await readRows(there)
    expect(stored['EventLog']).toContainEqual(
      expect.objectContaining({ attempt: 1, part: expect.toSatisfy(isLater) as number }),
    )
    expect(stored['Checkpoint']).toContainEqual(expect.objectContaining({ deletedAt: expect.any(String) as string }))
    await rm(join(folder, 'db'), { recursive: true })
    await rebuildHere(there)
    expect(await readRows(there)).toEqual(stored)
  } finally {
    await removeFolder(folder)
  }
})

const isLater = (part: number): boolean => part > 1

test('a PostgreSQL server gets the same rows', async (context) => {
  const { programs, reason } = findPostgres()
  if (programs === null) return context.skip(reason)
  const folder = await makeFolder()
  // PostgreSQL may have to run as another user.
  chmodSync(folder, 0o755)
  const postgres = await startOwnPostgres(programs, join(folder, 'postgres'), ['fsync=off'])
  try {
    const there = { home, databaseUrl: postgres.url }
    await rebuildHere(there)
    expect(await readRows(there)).toEqual(before)
    // Again, where they are there already, and with what is nobody's but the user's.
    await changeRows(there, 'CREATE TABLE "Note" ("text" text)', `INSERT INTO "Note" VALUES ('mine')`)
    await rebuildHere(there)
    expect(await readRows(there)).toEqual(before)
    await inDatabase(there, async ({ prisma }) => {
      expect(await prisma.$queryRaw`SELECT * FROM "Note"`).toEqual([{ text: 'mine' }])
      await expect(rebuildHere(there)).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    })
  } finally {
    await postgres.stop()
    await removeFolder(folder)
  }
})

interface Found {
  id: string
  cursor: number
}

/** The run of most steps, with one of them. */
function longRun(): Found {
  const steps = (before['StepMetrics'] ?? []) as { runId: string; cursor: number; step: number }[]
  const last = steps.find(({ step }) => step === 307)
  if (last === undefined) throw new Error('no run has so many steps')
  return { id: last.runId, cursor: last.cursor }
}

test('a check tells what was changed, by table, row and column, and changes nothing itself', async () => {
  const { id, cursor } = longRun()
  const changed = await changeRows(
    place,
    `UPDATE "StepMetrics" SET "loss" = 17 WHERE "runId" = '${id}' AND "cursor" = ${cursor}`,
    `UPDATE "Run" SET "name" = 'another' WHERE "id" = '${id}'`,
    `DELETE FROM "StepBlock" WHERE "runId" = '${id}' AND "block" = 1`,
    `INSERT INTO "Attempt" ("runId", "number", "deviceNames", "leasedAt") VALUES ('${id}', 9, '{}', now())`,
  )
  const difference = { column: null, stored: null, rebuilt: null }
  expect(await rebuildHere(place, { check: true })).toMatchObject({
    kind: 'CHECKED',
    differing: ['Run', 'Attempt', 'StepMetrics', 'StepBlock'].map((table) => ({ table, count: 1 })),
    first: [
      { table: 'Run', key: `id=${id}`, kind: 'OTHER', column: 'name', stored: '"another"', rebuilt: '"long"' },
      { ...difference, table: 'Attempt', key: `runId=${id} number=9`, kind: 'EXTRA' },
      {
        ...{ table: 'StepMetrics', key: `runId=${id} cursor=${cursor}`, kind: 'OTHER', column: 'loss' },
        ...{ stored: '17', rebuilt: String(1 / 307) },
      },
      { ...difference, table: 'StepBlock', key: `runId=${id} block=1 attempt=1`, kind: 'MISSING' },
    ],
  })
  expect(await readRows(place)).toEqual(changed)
  await rebuildHere(place)
  expect(await readRows(place)).toEqual(before)
})

test('a directory that cannot be read keeps what was stored of its run, and is told of', async () => {
  const { id } = longRun()
  const fork = ((before['Run'] ?? []) as { id: string; name: string }[]).find(({ name }) => name === 'fork')?.id ?? ''
  const [spec, decisions] = [join(home, 'runs', id, 'spec.json'), join(home, 'runs', fork, 'events.server.jsonl')]
  const texts = [spec, decisions].map((file) => [file, readFileSync(file, 'utf8')] as const)
  const damaged = texts[1]?.[1].replace('"type":"leased"', '"type":"paused"') ?? ''
  writeFileSync(spec, '{')
  writeFileSync(decisions, damaged)
  const stranger = join(home, 'runs', 'stranger')
  mkdirSync(stranger)
  try {
    const invalid = { code: 'RUN_DIRECTORY_INVALID', message: expect.stringContaining('spec.json') as string }
    const { refused } = await rebuildHere(place)
    expect(refused).toMatchObject([
      { ...invalid, run: id, kept: 'STORED' },
      { ...invalid, run: fork, kept: 'STORED', message: expect.stringContaining('have the checksum') as string },
      { ...invalid, run: 'stranger', kept: 'NOTHING' },
    ])
    expect(await readRows(place)).toEqual(before)
    // A server would amend it; a rebuild reads.
    expect(readFileSync(decisions, 'utf8')).toBe(damaged)
    expect(readdirSync(join(home, 'runs', fork)).filter((name) => name.includes('damaged'))).toEqual([])
  } finally {
    for (const [file, text] of texts) writeFileSync(file, text)
    await rm(stranger, { recursive: true })
  }
})

test('it is refused while a server is there, and where the run directories are not those of the database', async () => {
  const lock = await lockHome(home)
  try {
    for (const check of [false, true]) {
      await expect(rebuildHere(place, { check })).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    }
  } finally {
    await lock.release()
  }
  const [runs, elsewhere] = [join(home, 'runs'), join(home, 'elsewhere')]
  renameSync(runs, elsewhere)
  try {
    await expect(rebuildHere(place)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    mkdirSync(join(runs, 'another'), { recursive: true })
    await expect(rebuildHere(place)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(`The database knows ${before['Run']?.length ?? 0} runs`) as string,
    })
    await rm(runs, { recursive: true })
  } finally {
    renameSync(elsewhere, runs)
  }
})

test('a run that has gone on since the server ended is behind, and compared as far as it is stored', async () => {
  const { id } = longRun()
  await changeRows(
    place,
    `DELETE FROM "StepMetrics" WHERE "runId" = '${id}' AND "cursor" > 200`,
    `DELETE FROM "Event" WHERE "runId" = '${id}' AND "cursor" > 200`,
    `UPDATE "Run" SET "lastCursor" = 200 WHERE "id" = '${id}'`,
    `UPDATE "StepMetrics" SET "step" = 0 WHERE "runId" = '${id}' AND "cursor" = 150`,
  )
  expect(await rebuildHere(place, { check: true, limit: 1 })).toMatchObject({
    behind: [id],
    differing: [{ table: 'StepMetrics', count: 1 }],
    first: [{ key: `runId=${id} cursor=150`, column: 'step', stored: '0' }],
  })
})

type Said = { kind: string; stage?: string }

/** The rebuild as a process of its own, which ends by a signal when it says something for the first time. */
async function endAt(stage: string, signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
  const [command, ...args] = entryCommand(new URL('../../src/server/rebuild/main.ts', import.meta.url))
  const child = spawn(command, [...args, JSON.stringify({ check: false })], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TRAINQL_HOME: home },
  })
  createInterface({ input: child.stdout }).on('line', (line) => {
    if ((JSON.parse(line) as Said).stage === stage) child.kill(signal)
  })
  const [code, by] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  return code ?? by ?? 0
}

test('what was stored is whole, wherever the process is ended', async () => {
  // Otherwise the rows of before and after were the same.
  const old = await changeRows(place, 'UPDATE "Run" SET "name" = \'old\'', 'UPDATE "StepMetrics" SET "epoch" = 0')
  expect(await endAt('READING', 'SIGTERM')).toBe(143)
  expect(await endAt('READING', 'SIGKILL')).toBe('SIGKILL')
  expect(await readRows(place)).toEqual(old)
  // By then it may have done it.
  expect(['SIGKILL', 0]).toContain(await endAt('INSTALLING', 'SIGKILL'))
  expect([old, before]).toContainEqual(await readRows(place))
  await rebuildHere(place)
  expect(await readRows(place)).toEqual(before)
})
