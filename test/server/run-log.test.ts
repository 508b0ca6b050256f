// A run's log between its files and a database that may fail: what memory holds is what the database has.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createRunFeed, type RunFeed } from '../../src/server/runs/run-feed.ts'
import { openRunLog, type RunLog } from '../../src/server/scheduling/run-log.ts'
import { eventLine } from '../../src/shared/event-line.ts'
import { eventsFile } from '../../src/shared/run-directory.ts'
import { noReserve } from '../../src/trainer/disk.ts'
import { openEventLog } from '../../src/trainer/event-log.ts'
import { createMemoryLogStore, type MemoryLogStore } from './fixtures/memory-log-store.ts'
import { makeFolder } from './server.ts'

const home = await makeFolder()
afterAll(() => rmSync(home, { recursive: true }))

const runId = 'r'
let runs = 0

interface World {
  directory: string
  store: MemoryLogStore
  feed: RunFeed
  log: RunLog
  reopen(): Promise<RunLog>
}

/** A run whose first attempt is leased, and whose trainer has written `started`. */
async function world(): Promise<World> {
  const directory = join(home, String((runs += 1)))
  mkdirSync(directory)
  const store = createMemoryLogStore(runId)
  const feed = createRunFeed()
  const deps = { store, feed, now: () => new Date('2026-01-01T00:00:00Z') }
  const reopen = (): Promise<RunLog> => openRunLog(deps, { runId, directory })
  const log = await reopen()
  await log.append({ type: 'queued', plan: null })
  await log.append({ type: 'leased', toAttempt: 1, devices: ['cpu:0'], backfilledUntil: null })
  return { directory, store, feed, log, reopen }
}

const at = '2026-01-01T00:00:00.000Z'
const stepLine = (seq: number, change: Record<string, unknown> = {}): string =>
  eventLine({
    ...{ run: runId, attempt: 1, seq, at, type: 'step', epoch: 1, step: seq, loss: 1 / seq, nonFinite: false },
    ...{ learningRate: 0.1, imagesPerSecond: 9, ...change },
  })
const write = ({ directory }: World, ...lines: string[]): void =>
  appendFileSync(join(directory, 'events.1.jsonl'), lines.join(''))

const ownEvents = (directory: string): string[] =>
  readFileSync(join(directory, 'events.server.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { seq: number; type: string }).type)

/** Cursors that a subscriber has been told of. */
const published = (feed: RunFeed): number[] => feed.recent(runId, 0)?.events.map(({ cursor }) => cursor) ?? []

test('a batch that the database refuses is stored by the next attempt, once', async () => {
  const run = await world()
  write(run, stepLine(1), stepLine(2))
  run.store.faults = ['REFUSED']
  await expect(run.log.takeOver()).rejects.toThrow('refused')
  expect([run.log.lastSeq(), run.log.run.lastCursor, run.log.lastHeard()]).toEqual([0, 2, null])
  expect(published(run.feed)).toEqual([1, 2])
  write(run, stepLine(3))
  await run.log.takeOver()
  expect(run.store.events()).toEqual(['0.1 queued', '0.2 leased', '1.1 step', '1.2 step', '1.3 step'])
  expect([run.log.lastSeq(), run.log.lastHeard()?.seq]).toEqual([3, 3])
  expect(published(run.feed)).toEqual([1, 2, 3, 4, 5])
})

test('a batch that was stored though its answer was lost is not stored again, and subscribers hear of it', async () => {
  const run = await world()
  write(run, stepLine(1), stepLine(2))
  run.store.faults = ['ANSWER_LOST']
  await run.log.takeOver()
  expect([run.log.lastSeq(), run.log.run.step, run.log.lastHeard()?.seq]).toEqual([2, 2, 2])
  expect(published(run.feed)).toEqual([1, 2, 3, 4])
})

test('nothing happens to a run while the database cannot say what it has; then all goes on', async () => {
  const run = await world()
  write(run, stepLine(1))
  run.store.faults = ['ANSWER_LOST']
  run.store.readFaults = [true, true]
  await expect(run.log.takeOver()).rejects.toThrow('the connection was lost')
  let acted = false
  const action = (): Promise<void> => {
    acted = true
    return Promise.resolve()
  }
  await expect(run.log.exclusively(action)).rejects.toThrow('the database is away')
  expect([acted, run.log.lastSeq(), published(run.feed)]).toEqual([false, 0, [1, 2]])
  await run.log.exclusively(action)
  expect([acted, run.log.lastSeq(), published(run.feed)]).toEqual([true, 1, [1, 2, 3]])
})

test('an event of the server that the database refused counts: it is stored before the next decision, and not written twice', async () => {
  const run = await world()
  run.store.faults = ['REFUSED']
  await expect(run.log.append({ type: 'cancelRequested' })).rejects.toThrow('refused')
  expect(run.log.run.state).toBe('STARTING')
  const seen = await run.log.exclusively((own) => Promise.resolve(own.run.state))
  expect(seen).toBe('CANCELING')
  await run.log.append({ type: 'released', toAttempt: 1, devices: ['cpu:0'], fault: null })
  expect(ownEvents(run.directory)).toEqual(['queued', 'leased', 'cancelRequested', 'released'])
  expect(run.store.events()).toEqual(['0.1 queued', '0.2 leased', '0.3 cancelRequested', '0.4 released'])
})

test('the same over a restart: what the file has is stored first', async () => {
  const run = await world()
  write(run, stepLine(1))
  await run.log.takeOver()
  write(run, stepLine(2))
  run.store.faults = ['REFUSED']
  await expect(run.log.append({ type: 'cancelRequested' })).rejects.toThrow('refused')
  const again = await run.reopen()
  await again.append({ type: 'priorityChanged', priority: 3 })
  // It came behind step 1, and step 2 has not been looked for.
  expect(run.store.events().slice(2)).toEqual(['1.1 step', '0.3 cancelRequested', '0.4 priorityChanged'])
  await again.takeOver()
  expect(run.store.events().slice(4)).toEqual(['0.4 priorityChanged', '1.2 step'])
})

test('an append keeps every event of a long file that is not stored yet, and cuts a torn line off', async () => {
  const run = await world()
  const file = join(run.directory, 'events.server.jsonl')
  const behind = { attempt: 1, seq: 0 }
  const own = Array.from({ length: 3000 }, (_, index) =>
    eventLine({ run: runId, attempt: 0, seq: index + 3, at, behind, type: 'priorityChanged', priority: index }),
  )
  appendFileSync(file, `${own.join('')}{"run":"r","att`)
  const again = await run.reopen()
  await again.append({ type: 'cancelRequested' })
  expect(ownEvents(run.directory)).toHaveLength(3003)
  expect(run.store.events().at(-1)).toBe('0.3003 cancelRequested')
  expect(again.run).toMatchObject({ priority: 2999, state: 'CANCELING', lastCursor: 3003 })
})

test('a damaged line ends what counts of an attempt; what the server had decided behind it goes on', async () => {
  const run = await world()
  write(run, stepLine(1), stepLine(2).replace('"step":2', '"step":7'), stepLine(3))
  await expect(run.log.takeOver()).rejects.toMatchObject({
    code: 'RUN_DIRECTORY_INVALID',
    message: expect.stringMatching(
      new RegExp(
        `^events\\.1\\.jsonl: expected the line at byte ${stepLine(1).length} to have the checksum .{8}; found`,
      ),
    ) as string,
  })
  expect(run.log.lastSeq()).toBe(1)
  // As a database that is rebuilt meets it: the line was whole when the server decided.
  const behind = { attempt: 1, seq: 3 }
  const released = { type: 'released', toAttempt: 1, devices: ['cpu:0'], fault: null }
  const own = { run: runId, attempt: 0, seq: 3, at, behind, ...released }
  appendFileSync(join(run.directory, 'events.server.jsonl'), eventLine(own))
  const again = await run.reopen()
  await again.takeOver()
  expect(run.store.events()).toEqual(['0.1 queued', '0.2 leased', '1.1 step', '0.3 released'])
  expect(again.isReleased()).toBe(true)
})

test('where the disk has lost what was stored, nothing is stored twice and the server goes on', async () => {
  const run = await world()
  write(run, stepLine(1), stepLine(2))
  await run.log.takeOver()
  writeFileSync(join(run.directory, 'events.1.jsonl'), stepLine(1))
  const again = await run.reopen()
  await again.takeOver()
  await again.append({ type: 'cancelRequested' })
  expect(run.store.events().slice(2)).toEqual(['1.1 step', '1.2 step', '0.3 cancelRequested'])
  // A database made anew has what the files have.
  const rebuilt = createMemoryLogStore(runId)
  const deps = { store: rebuilt, feed: createRunFeed(), now: () => new Date(0) }
  await (await openRunLog(deps, { runId, directory: run.directory })).takeOver()
  expect(rebuilt.events().slice(2)).toEqual(['1.1 step', '0.3 cancelRequested'])
})

test('no order follows from the clock', async () => {
  const run = await world()
  const times = ['2026-01-01T00:00:00.000Z', '1970-01-01T00:00:00.000Z', '2030-06-01T00:00:00.000Z', at]
  write(run, ...times.map((time, index) => stepLine(index + 1, { at: time })))
  await run.log.takeOver()
  expect(run.store.events().slice(2)).toEqual(['1.1 step', '1.2 step', '1.3 step', '1.4 step'])
  expect(run.log.run).toMatchObject({ step: 4, lastCursor: 6 })
})

/** As a trainer writes it, in parts of a few events. */
function writeInParts({ directory }: World, events: number): void {
  const log = openEventLog({
    file: eventsFile(directory, 1),
    run: runId,
    attempt: 1,
    reserve: noReserve,
    partBytes: 1000,
  })
  for (let step = 1; step <= events; step += 1) {
    log.append({ type: 'step', epoch: 1, step, loss: 1, nonFinite: false, learningRate: 0.1, imagesPerSecond: 9 })
    log.flush()
  }
  log.close()
}

const stepsUpTo = (count: number): string[] => Array.from({ length: count }, (_, index) => `1.${index + 1} step`)

test('a log in parts is read as one, over a restart within any of them', async () => {
  const run = await world()
  writeInParts(run, 10)
  await run.log.takeOver()
  writeInParts(run, 30)
  const again = await run.reopen()
  await again.takeOver()
  expect(run.store.events().slice(2)).toEqual(stepsUpTo(40))
  expect(existsSync(eventsFile(run.directory, 1, 4))).toBe(true)
  expect(again.lastSeq()).toBe(40)
})

test.each([
  ['the first', 1, 0],
  ['one in between', 2, 6],
  ['the last', 3, 11],
])('a part that is missing is named, and what came before it counts: %s', async (_what, part, before) => {
  const run = await world()
  writeInParts(run, 14)
  const file = eventsFile(run.directory, 1, part)
  expect([existsSync(file), existsSync(eventsFile(run.directory, 1, 4))]).toEqual([true, false])
  rmSync(file)
  await expect(run.log.takeOver()).rejects.toMatchObject({
    code: 'RUN_DIRECTORY_INVALID',
    message: `${basename(file)}: expected this part of the log; found none.`,
  })
  expect(run.store.events().slice(2)).toEqual(stepsUpTo(before))
})

test('a part in the place of another is refused', async () => {
  const run = await world()
  writeInParts(run, 20)
  writeFileSync(eventsFile(run.directory, 1, 2), readFileSync(eventsFile(run.directory, 1, 3)))
  await expect(run.log.takeOver()).rejects.toThrow(
    'events.1.2.jsonl: expected partOpened of part 2 behind event 6; found it of part 3 behind event 11.',
  )
})

test('lines of earlier versions have no checksum; behind one that has, each must have one, also over a restart', async () => {
  const old = (line: string): string => line.replace(/,"crc":".{8}"/, '')
  const run = await world()
  write(run, old(stepLine(1)), old(stepLine(2)), stepLine(3))
  await run.log.takeOver()
  expect(run.log.lastSeq()).toBe(3)
  const offset = [old(stepLine(1)), old(stepLine(2)), stepLine(3)].join('').length
  write(run, stepLine(4).replace(',"crc":', ',"cRc":'))
  const message = `events.1.jsonl: expected the line at byte ${offset} to have a checksum, as those before it have; found `
  for (const log of [run.log, await run.reopen()]) await expect(log.takeOver()).rejects.toThrow(message)
  expect(run.store.events().slice(2)).toEqual(stepsUpTo(3))
})

test('a byte in the place of the last newline is damage, and no torn line', async () => {
  const run = await world()
  write(run, stepLine(1), stepLine(2).replace('\n', 'J'))
  const newlineAt = stepLine(1).length + stepLine(2).length - 1
  await expect(run.log.takeOver()).rejects.toThrow(
    `events.1.jsonl: expected a newline at byte ${newlineAt}; found byte value 74.`,
  )
  expect(run.store.events().slice(2)).toEqual(stepsUpTo(1))
})

test.each([
  ['no event', '{"run":"r","attempt":1}\n'],
  ['one behind the next', stepLine(2)],
  ["another run's", stepLine(1, { run: 'other' })],
  ["another attempt's", stepLine(1, { attempt: 2 })],
])('a whole line that is not the next event is refused: %s', async (_what, line) => {
  const run = await world()
  write(run, line)
  await expect(run.log.takeOver()).rejects.toMatchObject({ code: 'RUN_DIRECTORY_INVALID' })
  expect(run.store.events()).toHaveLength(2)
})
