// The database under the server: who may open it, how it is brought up to date, and a whole run on a PostgreSQL server.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, expect, type TestContext, test } from 'vitest'
import { findPostgres, type OwnPostgres, startOwnPostgres } from '../../bench/queries/postgres.ts'
import { openDatabase } from '../../src/server/database/database.ts'
import { homeLockFile, lockHome } from '../../src/server/database/home-lock.ts'
import { type Migration, migrate, readMigrations } from '../../src/server/database/migrate.ts'
import { guardServerDatabase } from '../../src/server/database/server-guard.ts'
import { silentLog } from '../../src/server/log.ts'
import { ownIdentity } from '../../src/shared/process-identity.ts'
import {
  collectEvents,
  createRun,
  instruct,
  makeFolder,
  query,
  removeFolder,
  scriptedTrainer,
  startTestServer,
} from './server.ts'

let home: string
let postgres: OwnPostgres | undefined

beforeEach(async () => {
  home = await makeFolder()
})
afterEach(async () => {
  await postgres?.stop()
  postgres = undefined
  await removeFolder(home)
})

test('one server a data directory: a second one is refused and told who holds it', async () => {
  const server = await startTestServer(home)
  try {
    await expect(startTestServer(home)).rejects.toMatchObject({
      code: 'DATABASE_LOCKED',
      message: expect.stringContaining(`the server with process id ${process.pid} on ${hostname()}`) as string,
      fix: expect.stringContaining('TRAINQL_HOME') as string,
    })
    // The refused one did not take the lock with it.
    expect(existsSync(homeLockFile(home))).toBe(true)
  } finally {
    await server.close()
  }
  expect(existsSync(homeLockFile(home))).toBe(false)
})

test('a lock whose process has died is taken over, also where its pid runs again', async () => {
  const child = spawn(process.execPath, ['-e', ''])
  await new Promise((resolve) => child.once('exit', resolve))
  const own = ownIdentity()
  const at = new Date().toISOString()
  const stale = [
    { ...own, pid: child.pid, at },
    // This very pid, started at another time.
    { ...own, startTime: '1', at },
  ]
  for (const holder of stale) {
    await writeFile(homeLockFile(home), JSON.stringify(holder))
    const lock = await lockHome(home)
    expect(JSON.parse(readFileSync(homeLockFile(home), 'utf8'))).toMatchObject({
      pid: process.pid,
      startTime: own.startTime,
    })
    await lock.release()
  }
  await writeFile(homeLockFile(home), JSON.stringify({ ...own, at }))
  await expect(lockHome(home)).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
  // Of another machine: nobody here can tell.
  await writeFile(homeLockFile(home), JSON.stringify({ ...own, host: 'elsewhere', at }))
  await expect(lockHome(home)).rejects.toMatchObject({ message: expect.stringContaining('on elsewhere') as string })
  expect(readdirSync(home)).toEqual(['server.lock'])
})

test('of many that want a lock whose holder died, one gets it, every time', async () => {
  for (let round = 0; round < 50; round += 1) {
    await writeFile(homeLockFile(home), JSON.stringify({ ...ownIdentity(), startTime: '1', at: `${round}` }))
    const tries = await Promise.allSettled(Array.from({ length: 16 }, () => lockHome(home)))
    const taken = tries.filter((outcome) => outcome.status === 'fulfilled')
    expect(taken).toHaveLength(1)
    expect(readdirSync(home)).toEqual(['server.lock'])
    await taken[0]?.value.release()
  }
})

test('a process that died while it took over a lock is taken over too', async () => {
  const dead = { ...ownIdentity(), startTime: '1' }
  const first = JSON.stringify({ ...dead, at: 'first' })
  const successor = `${homeLockFile(home)}.${createHash('sha256').update(first).digest('hex')}`
  await writeFile(homeLockFile(home), first)
  await writeFile(successor, JSON.stringify({ ...dead, at: 'second' }))
  const lock = await lockHome(home)
  expect(readdirSync(home)).toEqual(['server.lock'])
  await expect(lockHome(home)).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
  await lock.release()
  expect(readdirSync(home)).toEqual([])
})

test('a refusal names a rebuild that holds the lock', async () => {
  const lock = await lockHome(home, 'REBUILD')
  await expect(lockHome(home)).rejects.toMatchObject({
    code: 'DATABASE_LOCKED',
    message: expect.stringContaining(`in use by trainql db rebuild with process id ${process.pid} on `) as string,
    fix: `Wait until it is done, or set TRAINQL_HOME to another folder. If it is surely gone, delete ${homeLockFile(home)}.`,
  })
  await lock.release()
})

test('drafts of a lock whose makers died are removed, and those of others left alone', async () => {
  const dead = { ...ownIdentity(), startTime: '1', at: 'then' }
  const hourAgo = new Date(Date.now() - 3_600_000)
  const draft = (digit: number, text: string, changedAt?: Date): string => {
    const name = `server.lock.${String(digit).repeat(8)}-0000-4000-8000-000000000000`
    writeFileSync(join(home, name), text)
    if (changedAt !== undefined) utimesSync(join(home, name), changedAt, changedAt)
    return name
  }
  draft(1, JSON.stringify(dead))
  draft(2, '', hourAgo)
  draft(3, JSON.stringify(dead).slice(0, 20), hourAgo)
  const kept = [
    draft(4, JSON.stringify({ ...ownIdentity(), at: 'now' }), hourAgo),
    draft(5, JSON.stringify({ ...dead, host: 'elsewhere' }), hourAgo),
    draft(6, ''),
  ]
  writeFileSync(join(home, 'server.lock.txt'), '')
  const lock = await lockHome(home)
  expect(readdirSync(home).sort()).toEqual(['server.lock', ...kept, 'server.lock.txt'])
  await lock.release()
})

test('the embedded database keeps its rows over a restart, and says what fails as PostgreSQL does', async () => {
  const folder = join(home, 'db')
  const device = { name: 'cpu:0', kind: 'CPU', ordinal: 0, model: 'm', cores: [0, 3], uuid: null }
  const inUse = { availability: 'ACTIVE' as const, availabilityReason: null, availabilitySince: null }
  const row = { ...device, memoryBytes: 2n ** 62n, present: true, ...inUse }
  const first = await openDatabase({ folder, url: null, log: silentLog })
  await first.prisma.device.create({ data: row })
  await expect(first.prisma.device.create({ data: row })).rejects.toMatchObject({ code: 'P2002' })
  await expect(
    first.prisma.$transaction([
      first.prisma.device.deleteMany(),
      first.prisma.device.create({ data: row }),
      first.prisma.device.create({ data: row }),
    ]),
  ).rejects.toMatchObject({ code: 'P2002' })
  expect(await first.prisma.device.findMany()).toEqual([row])
  await first.close()
  // As a process leaves it that is killed while it makes PostgreSQL's own lock.
  await writeFile(join(folder, 'postmaster.pid'), '')
  const again = await openDatabase({ folder, url: null, log: silentLog })
  expect(await again.prisma.device.findMany()).toEqual([row])
  const settings = await again.prisma.$queryRawUnsafe<{ name: string; setting: string }[]>(
    "SELECT name, setting FROM pg_settings WHERE name IN ('max_wal_size', 'min_wal_size') ORDER BY name",
  )
  expect(settings).toEqual([
    { name: 'max_wal_size', setting: '64' },
    { name: 'min_wal_size', setting: '32' },
  ])
  await again.close()
})

test("migrations are applied once and entered in Prisma's ledger", async () => {
  const database = await openDatabase({ folder: join(home, 'db'), url: null, log: silentLog })
  const ledger = await database.prisma.$queryRawUnsafe<Record<string, unknown>[]>('SELECT * FROM "_prisma_migrations"')
  const migrations = await readMigrations()
  expect(ledger).toEqual(
    migrations.map(({ name, checksum }) => ({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      migration_name: name,
      checksum,
      logs: null,
      started_at: expect.any(Date) as Date,
      finished_at: expect.any(Date) as Date,
      rolled_back_at: null,
      applied_steps_count: 1,
    })),
  )
  await database.close()
})

/** A PostgreSQL server of the test's own on a free port; the test is skipped where that cannot be. */
async function startPostgres(context: TestContext): Promise<string> {
  const { programs, reason } = findPostgres()
  if (programs === null) return context.skip(reason)
  // The folder above belongs to the test's user alone.
  chmodSync(home, 0o755)
  postgres = await startOwnPostgres(programs, join(home, 'postgres'), ['fsync=off'])
  return postgres.url
}

test('migrations on PostgreSQL: applied once, refused where the history is not ours, whole or not at all', async (context) => {
  const client = new pg.Client({ connectionString: await startPostgres(context) })
  await client.connect()
  try {
    const ours = await readMigrations()
    expect(await migrate(client, ours)).toEqual(ours.map(({ name }) => name))
    expect(await migrate(client, ours)).toEqual([])
    const migration = (name: string, sql: string): Migration => ({ name, sql, checksum: name.padEnd(64, '0') })
    const broken = migration('90000000000000_broken', 'CREATE TABLE half (id int); SELECT nonsense')
    await expect(migrate(client, [...ours, broken])).rejects.toThrow('column "nonsense" does not exist')
    expect((await client.query("SELECT to_regclass('half') AS half")).rows).toEqual([{ half: null }])
    const next = migration('90000000000001_next', 'CREATE TABLE whole (id int)')
    expect(await migrate(client, [...ours, next])).toEqual([next.name])
    await expect(migrate(client, ours)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(`holds the migration ${next.name}, which this version does not know`) as string,
    })
    await expect(migrate(client, [...ours, { ...next, checksum: '1'.repeat(64) }])).rejects.toMatchObject({
      message: expect.stringContaining('was changed after it had been applied') as string,
    })
  } finally {
    await client.end()
  }
})

test('a whole run on PostgreSQL by DATABASE_URL, and one server a database', async (context) => {
  const databaseUrl = await startPostgres(context)
  const session = { url: databaseUrl, onLost: () => undefined, log: silentLog }
  const guard = await guardServerDatabase({ ...session, holder: 'REBUILD' })
  await expect(startTestServer(home, { databaseUrl })).rejects.toMatchObject({
    code: 'DATABASE_LOCKED',
    message: 'The PostgreSQL database given by DATABASE_URL is in use by trainql db rebuild.',
    fix: 'Wait until it is done, or give another database.',
  })
  await guard.close()
  const server = await startTestServer(home, { databaseUrl, trainerEntry: scriptedTrainer })
  try {
    const run = await createRun(server.url)
    instruct(run, 'started', 'steps 200', 'epoch 1', 'finish')
    const events = await collectEvents(server.url, run.id)
    expect(events).toHaveLength(2 + 1 + 200 + 2 + 1 + 2)
    expect(events.at(-1)).toMatchObject({ state: 'SUCCEEDED' })
    expect(existsSync(join(home, 'db'))).toBe(false)
    const { runs } = await query<{ runs: unknown }>(server.url, '{ runs { nodes { checkpoints { totalCount } } } }')
    expect(runs).toEqual({ nodes: [{ checkpoints: { totalCount: 1 } }] })

    const other = await makeFolder()
    await expect(startTestServer(other, { databaseUrl })).rejects.toMatchObject({
      code: 'DATABASE_LOCKED',
      message: 'The PostgreSQL database given by DATABASE_URL is in use by another TrainQL server.',
      fix: 'Stop that server, or give another database.',
    })
    await removeFolder(other)
  } finally {
    await server.close()
  }
})

test('a PostgreSQL server that is not there is a typed error', async () => {
  await expect(startTestServer(home, { databaseUrl: 'postgresql://trainql@127.0.0.1:1/none' })).rejects.toMatchObject({
    code: 'NETWORK',
    fix: expect.stringContaining('DATABASE_URL') as string,
  })
  expect(readdirSync(home)).toEqual([])
})
