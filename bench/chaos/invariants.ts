// What must hold after a storm, looked at from outside: the subscribers' lists, the files, the database, the devices, the
// processes and the weights, each against another.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openDatabase } from '../../src/server/database/database.ts'
import { silentLog } from '../../src/server/log.ts'
import { createRunEventStore } from '../../src/server/runs/run-event.store.ts'
import type { RunEvent } from '../../src/shared/events.ts'
import { checkpointsFolder } from '../../src/shared/run-directory.ts'
import { verifyCheckpoint } from '../../src/trainer/checkpoints/verify.ts'
import { holdsMark, listDamagedLines, readOrderedEvents } from './event-order.ts'
import type { FollowedRun, SeenEvent } from './load.ts'
import type { StormRecord } from './record.ts'

/** For each invariant what breaks it, in words. */
export type Broken = Record<Invariant, string[]>

export const invariants = [
  'lostEvents',
  'doubledEvents',
  'leakedDevices',
  'leakedProcesses',
  'unfinishedRuns',
  'damagedCheckpoints',
  'notBitEqual',
  'serverFailures',
] as const
export type Invariant = (typeof invariants)[number]

export function nothingBroken(): Broken {
  return {
    lostEvents: [],
    doubledEvents: [],
    leakedDevices: [],
    leakedProcesses: [],
    unfinishedRuns: [],
    damagedCheckpoints: [],
    notBitEqual: [],
    serverFailures: [],
  }
}

export interface Aftermath {
  home: string
  runs: readonly FollowedRun[]
  record: StormRecord
  /** For each directory of a run that has succeeded the hash of the weights that it would have ended with undisturbed. */
  references: ReadonlyMap<string, string>
}

export interface Verdict {
  broken: Broken
  /** Events of all runs together. */
  events: number
  /** Of them, those of each type by which the server tells what befell a run. */
  told: Record<string, number>
  /** Server kills at which every subscriber had seen exactly the beginning of what the log says. */
  killsEqualToLog: number
}

/** Once no process of the storm is left. */
export async function judge({ home, runs, record, references }: Aftermath): Promise<Verdict> {
  const broken = nothingBroken()
  const agreedUpTo = new Map<string, number>()
  const orders = new Map<string, RunEvent[]>()
  for (const run of runs) {
    const { events, missing } = readOrderedEvents(run.directory)
    orders.set(run.id, events)
    if (missing > 0) broken.lostEvents.push(`${run.id}: ${missing} events that were taken over are in no file`)
    for (const line of listDamagedLines(run.directory)) broken.lostEvents.push(`${line} is not what was written`)
    compareStream(broken, run, events)
    agreedUpTo.set(run.id, countAgreed(run.seen, events))
    const expected = references.get(run.directory)
    if (run.ended && expected === undefined)
      broken.notBitEqual.push(`${run.id}: no undisturbed run to compare with in time`)
    if (expected !== undefined) await checkWeights(broken, run, { events, expected })
  }
  for (const mark of record.marks) {
    if (!holdsMark(mark)) broken.lostEvents.push(`${mark.file}: its first ${mark.bytes} bytes are not what they were`)
  }
  await compareDatabase(broken, home, orders)
  const killsEqualToLog = record.serverKills.filter(({ seen }) =>
    [...seen].every(([id, length]) => length <= (agreedUpTo.get(id) ?? 0)),
  ).length
  const all = [...orders.values()].flat()
  const told = Object.fromEntries(telling.map((type) => [type, all.filter((event) => event.type === type).length]))
  return { broken, events: all.length, told, killsEqualToLog }
}

const telling = [
  ...(['unreachable', 'reachable', 'replicaStalled', 'replicaMoved', 'logTorn'] as const),
  ...(['retryScheduled', 'runFailed', 'paused', 'resumeRequested'] as const),
] satisfies RunEvent['type'][]

const keyOf = ({ attempt, seq, at }: { attempt: number; seq: number; at: string }): string =>
  `${attempt}/${seq} of ${new Date(at).toISOString()}`

function compareStream(broken: Broken, { id, seen }: FollowedRun, events: readonly RunEvent[]): void {
  const seenKeys = new Set(seen.map(keyOf))
  const lost = events.filter((event) => !seenKeys.has(keyOf(event)))
  for (const event of lost) broken.lostEvents.push(`${id}: no subscriber saw ${event.type} ${keyOf(event)}`)
  const known = new Set(events.map(keyOf))
  const counts = new Map<string, number>()
  for (const key of seen.map(keyOf)) counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const [key, count] of counts) {
    if (count > 1) broken.doubledEvents.push(`${id}: the subscriber saw ${key} ${count} times`)
    if (!known.has(key)) broken.doubledEvents.push(`${id}: the subscriber saw ${key}, which is in no file`)
  }
  const cursors = new Set(seen.map(({ cursor }) => cursor))
  if (cursors.size < seen.length) broken.doubledEvents.push(`${id}: ${seen.length - cursors.size} cursors came twice`)
  const agreed = countAgreed(seen, events)
  if (lost.length === 0 && agreed < Math.min(seen.length, events.length)) {
    broken.lostEvents.push(`${id}: the subscriber's order leaves the log's behind event ${agreed}`)
  }
}

/** Events from the first on at which both lists are the same. */
function countAgreed(seen: readonly SeenEvent[], events: readonly RunEvent[]): number {
  const differs = seen.findIndex((event, index) => {
    const other = events[index]
    return other === undefined || keyOf(other) !== keyOf(event)
  })
  return differs === -1 ? seen.length : differs
}

/** More than a run of the storm has. */
const mostEvents = 1_000_000

/** Rows are the events in their order, numbered from 1; no device is leased. */
async function compareDatabase(broken: Broken, home: string, orders: ReadonlyMap<string, RunEvent[]>): Promise<void> {
  const database = await openDatabase({ folder: join(home, 'db'), url: null, log: silentLog })
  try {
    for (const [runId, events] of orders) {
      const rows = await createRunEventStore(database).listAfter(runId, 0, mostEvents)
      const stored = rows.map(({ cursor, event: { attempt, seq, type } }) => `${cursor}: ${type} ${attempt}/${seq}`)
      const logged = events.map(({ type, attempt, seq }, index) => `${index + 1}: ${type} ${attempt}/${seq}`)
      const [missing, surplus] = [without(logged, stored), without(stored, logged)]
      for (const row of missing) broken.lostEvents.push(`${runId}: the database lacks ${row}`)
      for (const row of surplus) broken.doubledEvents.push(`${runId}: the database has ${row}, and the files do not`)
    }
    for (const { deviceName, runId } of await database.prisma.lease.findMany())
      broken.leakedDevices.push(`${deviceName} is leased to ${runId}`)
  } finally {
    await database.close()
  }
}

function without(all: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others)
  return all.filter((one) => !known.has(one))
}

interface Expectation {
  events: readonly RunEvent[]
  expected: string
}

/** The last checkpoint of a run: whole on the disk, what its event says, and what the reference ended with. */
async function checkWeights(broken: Broken, { id, directory }: FollowedRun, { events, expected }: Expectation) {
  const last = events.findLast((event) => event.type === 'checkpoint')
  if (last === undefined) return void broken.notBitEqual.push(`${id}: it has no checkpoint`)
  if (last.sha256 !== expected) {
    broken.notBitEqual.push(`${id}: ${last.name} has ${last.sha256}, the undisturbed run ${expected}`)
  }
  const folder = join(checkpointsFolder(directory), last.name)
  if (!existsSync(folder)) return void broken.damagedCheckpoints.push(`${id}: ${last.name} is not there`)
  const { files } = await verifyCheckpoint(folder)
  for (const { name, intact, expected: should, found } of files) {
    if (!intact) broken.damagedCheckpoints.push(`${id}: ${last.name}/${name} should be ${should} and is ${found}`)
    if (name === 'model.safetensors' && !found.includes(last.sha256))
      broken.damagedCheckpoints.push(`${id}: ${last.name}/${name} is ${found}, its event says ${last.sha256}`)
  }
}
