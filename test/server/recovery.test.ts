// What a start makes of every state a run can be in and every point at which a server may have died: the run ends as it
// should, devices are free, no process is left. Each run is written by hand; its trainer is a process that sleeps.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDatabase } from '../../src/server/database/database.ts'
import { silentLog } from '../../src/server/log.ts'
import { createRunFeed } from '../../src/server/runs/run-feed.ts'
import { createRunStore } from '../../src/server/runs/run.store.ts'
import { openRunLog } from '../../src/server/scheduling/run-log.ts'
import { identityOf, type ProcessIdentity } from '../../src/shared/process-identity.ts'
import { checkpointsFolder, pinFile } from '../../src/shared/run-directory.ts'
import { makeFolder, query, recordingLog, removeFolder, scriptedTrainer, startTestServer } from './server.ts'
import { type Case, cases, type Fate, running, unreachable } from './recovery-cases.ts'
import { deeds, writeRun, type WrittenRun } from './written-run.ts'

const { queued, leased, started, checkpoint, finished, released, runFailed } = deeds

const wordOf: Record<Fate, string> = {
  readopted: 're-adopted',
  launched: 'launched',
  ended: 'ended meanwhile',
  requeued: 'requeued',
  queued: 'queued',
  damaged: 'damaged',
}

let home: string
const processes: ChildProcess[] = []
const runs = new Map<Case, WrittenRun>()
const trainers = new Map<Case, ChildProcess>()
const deviceOf = (each: Case): string => `cpu:${cases.indexOf(each)}`

beforeEach(async () => {
  home = await makeFolder()
})
afterEach(async () => {
  for (const child of processes.splice(0)) child.kill('SIGKILL')
  runs.clear()
  trainers.clear()
  await removeFolder(home)
})

/** Leaves on SIGTERM, without a word. */
function startSleeper(): ChildProcess {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', detached: true })
  processes.push(child)
  return child
}

const identity = (child: ChildProcess): ProcessIdentity => identityOf(child.pid ?? 0)

async function endedProcess(): Promise<ProcessIdentity> {
  const child = startSleeper()
  const ended = identity(child)
  child.kill('SIGKILL')
  await once(child, 'exit')
  return ended
}

const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

const runsOn = (each: Case): boolean => {
  const child = trainers.get(each)
  return child !== undefined && isAlive(child)
}

/** How much of its events the database has when the server starts. */
type Known = 'nothing' | 'all but the last'

async function writeCase(each: Case, dead: ProcessIdentity, known: Known): Promise<void> {
  const devices = { kind: 'NAMED', names: ['cpu:none'] }
  const run = writeRun(home, { name: each.name, devices, ...(each.retry === undefined ? {} : { retry: each.retry }) })
  runs.set(each, run)
  const all = each.deeds(deviceOf(each))
  run.write(...all.slice(0, -1))
  if (all.length > 1 && known === 'all but the last') await takeOver(run)
  run.write(...all.slice(-1))
  if (each.trainer === 'dead') run.lock(dead)
  if (each.trainer === 'alive') {
    const child = startSleeper()
    trainers.set(each, child)
    run.lock(identity(child))
  }
  if (each.exit !== undefined) run.exit(each.exit)
  each.prepare?.(run)
}

let takeOver: (run: WrittenRun) => Promise<void>

async function writeAll(known: Known): Promise<void> {
  const database = await openDatabase({ folder: join(home, 'db'), url: null, log: silentLog })
  const store = createRunStore(database)
  takeOver = async ({ id: runId, directory, spec, createdAt }) => {
    await store.insert(spec, createdAt)
    await (await openRunLog({ store, feed: createRunFeed(), now: () => new Date() }, { runId, directory })).takeOver()
  }
  const dead = await endedProcess()
  await Promise.all(cases.map((each) => writeCase(each, dead, known)))
  await database.close()
}

interface RunNode {
  name: string
  state: string
  failure: { code: string } | null
}

async function nodes(url: string): Promise<Map<string, RunNode>> {
  const text = '{ runs(first: 100) { nodes { name state failure { code } } } }'
  const { runs: found } = await query<{ runs: { nodes: RunNode[] } }>(url, text)
  return new Map(found.nodes.map((node) => [node.name, node]))
}

async function holders(url: string): Promise<Record<string, string>> {
  const text = '{ devices(first: 100) { nodes { name run { name } } } }'
  const { devices } = await query<{ devices: { nodes: { name: string; run: { name: string } | null }[] } }>(url, text)
  return Object.fromEntries(devices.nodes.flatMap(({ name, run }) => (run === null ? [] : [[name, run.name]])))
}

const options = () => ({
  trainerEntry: scriptedTrainer,
  cpuDevices: cases.length,
  trainersOnExit: 'LEAVE' as const,
  silentSeconds: 600,
})

const wanted = (key: 'state' | 'finally') =>
  cases.map((each) => ({
    name: each.name,
    state: each[key] ?? each.state,
    failure: each.code === undefined ? null : { code: each.code },
  }))
const inOrder = (found: Map<string, RunNode>) => cases.map(({ name }) => found.get(name))

describe.each<Known>(['nothing', 'all but the last'])('a database that knows %s', (known) => {
  test('every run ends as it should', async () => {
    await writeAll(known)
    const log = recordingLog()
    const server = await startTestServer(home, { ...options(), log })
    try {
      await expect.poll(async () => inOrder(await nodes(server.url)), { timeout: 60_000 }).toEqual(wanted('state'))

      const idsOf = (fate: Fate): string[] =>
        cases.flatMap((each) => (each.fate === fate ? [runs.get(each)?.id ?? ''] : []))
      const reaped = cases.flatMap((each) =>
        (each.reaped ?? []).map((attempt) => `${runs.get(each)?.id ?? ''}/${attempt}`),
      )
      const fates: Fate[] = ['readopted', 'launched', 'ended', 'requeued', 'queued', 'damaged']
      const counts = [...fates.map((fate) => `${idsOf(fate).length} ${wordOf[fate]}`), `${reaped.length} reaped`]
      expect(log.lines).toContain(`Runs taken up: ${counts.join(', ')}.`)
      for (const fate of fates) expect(log.lines).toContain(`${wordOf[fate]}: ${idsOf(fate).join(', ')}`)
      expect(log.lines).toContain(`reaped: ${reaped.join(', ')}`)

      const lasting = cases.filter((each) => each.finally !== undefined)
      expect(await holders(server.url)).toEqual(Object.fromEntries(lasting.map((each) => [deviceOf(each), each.name])))
      const alive = (): string[] => cases.filter(runsOn).map(({ name }) => name)
      expect(alive()).toEqual(lasting.map(({ name }) => name))

      for (const each of lasting) {
        runs.get(each)?.write(finished)
        runs.get(each)?.exit(0)
        trainers.get(each)?.kill('SIGKILL')
      }
      await expect.poll(async () => inOrder(await nodes(server.url)), { timeout: 60_000 }).toEqual(wanted('finally'))
      expect(await holders(server.url)).toEqual({})
      expect(alive()).toEqual([])
    } finally {
      await server.close()
    }

    // A next start has nothing to do but to have those wait that waited.
    const again = recordingLog()
    const next = await startTestServer(home, { ...options(), log: again })
    try {
      expect(inOrder(await nodes(next.url))).toEqual(wanted('finally'))
      const waiting = wanted('finally').filter(({ state }) => state === 'QUEUED').length
      const counts = `0 re-adopted, 0 launched, 0 ended meanwhile, 0 requeued, ${waiting} queued, 0 damaged, 0 reaped`
      expect(again.lines.filter((line) => !line.startsWith('queued: '))).toEqual([`Runs taken up: ${counts}.`])
    } finally {
      await next.close()
    }
  })
})

test('what nobody owns: a trainer of an attempt before, one without a run that can be read, and what crashes left', async () => {
  const [old, current, stranger] = [startSleeper(), startSleeper(), startSleeper()]
  const run = writeRun(home)
  run.write(...running('cpu:0'), unreachable, released('cpu:0'))
  run.lock(identity(old))
  run.write({ type: 'resumeRequested', checkpoint: null, devices: null }, leased('cpu:1', 2), started)
  run.lock(identity(current))
  const unreadable = writeRun(home)
  unreadable.write(queued, leased('cpu:0'))
  unreadable.lock(identity(stranger))
  writeFileSync(join(unreadable.directory, 'spec.json'), '{')
  for (const name of ['.unfinished-x', '.trash-y']) mkdirSync(join(home, 'runs', name))

  const log = recordingLog()
  const server = await startTestServer(home, { ...options(), log })
  try {
    expect([old, current, stranger].map(isAlive)).toEqual([false, true, false])
    expect(log.lines).toContain(`reaped: ${run.id}/1, ${unreadable.id}/1`)
    expect(readdirSync(join(home, 'runs'))).toEqual([run.id, unreadable.id])
    expect(existsSync(join(unreadable.directory, 'lock.1'))).toBe(true)
    expect(await holders(server.url)).toEqual({ 'cpu:1': null })
  } finally {
    await server.close()
  }
})

test('what killed trainers had set aside of their checkpoints is told and freed, once their runs have ended; what is pinned is back', async () => {
  const dead = await endedProcess()
  const [ended, dying, retried] = [writeRun(home), writeRun(home), writeRun(home, { retry: { maxAttempts: 2 } })]
  for (const [index, run] of [ended, dying, retried].entries()) {
    run.write(...running(`cpu:${index}`), checkpoint(1, 1), checkpoint(1, 2), checkpoint(1, 3))
    run.lock(dead)
    const folder = checkpointsFolder(run.directory)
    for (const name of ['.trash-1-00000001', '.trash-1-00000002', '1-00000003']) {
      mkdirSync(join(folder, name), { recursive: true })
      writeFileSync(join(folder, name, 'model.safetensors'), 'weights')
    }
    writeFileSync(pinFile(run.directory, '1-00000001'), '')
  }
  ended.write(released('cpu:0'), deeds.runFailed)

  const server = await startTestServer(home, options())
  try {
    const foldersOf = ({ directory }: WrittenRun): string[] =>
      readdirSync(checkpointsFolder(directory)).filter((name) => !name.endsWith('.pinned'))
    for (const run of [ended, dying]) expect(foldersOf(run)).toEqual(['1-00000001', '1-00000003'])
    expect(foldersOf(retried)).toContain('.trash-1-00000002')
    const typesOf = ({ directory }: WrittenRun): string[] =>
      readFileSync(join(directory, 'events.server.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as { type: string }).type)
    expect(typesOf(ended).slice(-3)).toEqual(['released', 'runFailed', 'checkpointDeleted'])
    expect(typesOf(dying).slice(-3)).toEqual(['released', 'checkpointDeleted', 'runFailed'])
    expect(typesOf(retried)).not.toContain('checkpointDeleted')
  } finally {
    await server.close()
  }
})

test('a device that an ended run had before a run that still has it: both are taken up into a new database', async () => {
  const holding = writeRun(home, { name: 'holding' })
  holding.write(queued, leased('cpu:1'), started, released('cpu:1'), runFailed)
  holding.write({ type: 'resumeRequested', checkpoint: null, devices: null })
  const ended = writeRun(home, { name: 'ended' })
  ended.write(queued, leased('cpu:0'), started)
  // More than is read at a time.
  const device = 'x'.repeat(100_000)
  for (const step of [1, 2, 3]) {
    ended.write({ type: 'replicaStalled', toAttempt: 1, replica: 0, device, step, stalledSeconds: 60 })
  }
  ended.write(finished, released('cpu:0'), { type: 'succeeded' })
  holding.write(leased('cpu:0', 2), started)
  holding.lock(identity(startSleeper()))

  const log = recordingLog()
  const server = await startTestServer(home, { ...options(), log })
  try {
    expect([...(await nodes(server.url)).values()]).toEqual([
      { name: 'ended', state: 'SUCCEEDED', failure: null },
      { name: 'holding', state: 'RUNNING', failure: null },
    ])
    expect(await holders(server.url)).toEqual({ 'cpu:0': 'holding' })
    expect(log.lines.filter((line) => line.includes('could not be taken up'))).toEqual([])
  } finally {
    await server.close()
  }
})
