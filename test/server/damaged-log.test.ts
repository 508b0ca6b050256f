// One byte of the server's own events of a run is changed on the disk, wherever and whenever that is: the run ends there or
// reads as before, and its directory can be read again, to the same rows.
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createRunFeed } from '../../src/server/runs/run-feed.ts'
import type { DamageListener } from '../../src/server/scheduling/damaged-log.ts'
import { openRunLog, type RunLog } from '../../src/server/scheduling/run-log.ts'
import { eventLine } from '../../src/shared/event-line.ts'
import type { ServerEvent, Unidentified } from '../../src/shared/events.ts'
import { eventsFile, fenceFile } from '../../src/shared/run-directory.ts'
import { isTerminal } from '../../src/shared/run-state.ts'
import { createMemoryLogStore, type MemoryLogStore } from './fixtures/memory-log-store.ts'
import { makeFolder } from './server.ts'

/** The same damages on every machine; TRAINQL_LOG_SEED looks at others. */
const seed = Number(process.env['TRAINQL_LOG_SEED'] ?? 20_260_101)
const damages = 120

const runId = 'r'
const at = '2026-01-01T00:00:00.000Z'
const home = await makeFolder()
const whole = join(home, 'whole')
afterAll(() => rmSync(home, { recursive: true }))

const fileOf = (directory: string): string => join(directory, 'events.server.jsonl')

function openOn(store: MemoryLogStore, directory: string, onDamage?: DamageListener): Promise<RunLog> {
  const deps = { store, feed: createRunFeed(), now: () => new Date(0) }
  return openRunLog(onDamage === undefined ? deps : { ...deps, onDamage }, { runId, directory })
}

const released = (toAttempt: number): Unidentified<ServerEvent> => ({
  ...{ type: 'released', toAttempt, devices: ['cpu:0'], fault: null },
})
const leased = (toAttempt: number): Unidentified<ServerEvent> => ({
  ...{ type: 'leased', toAttempt, devices: ['cpu:0'], backfilledUntil: null },
})
const failed: Unidentified<ServerEvent> = {
  ...{ type: 'runFailed', code: 'TRAINER_DIED', message: 'It died.', fix: 'Resume.', step: 2, nonFinite: false },
}
/** Of all states that a run is in for longer; the last attempt is under way at the end. */
const story: Unidentified<ServerEvent>[] = [
  { type: 'queued', plan: null },
  { type: 'paused', reason: 'USER', checkpoint: null },
  { type: 'resumeRequested', checkpoint: null, devices: null },
  leased(1),
  { type: 'unreachable', toAttempt: 1, silentSeconds: 15 },
  released(1),
  failed,
  { type: 'resumeRequested', checkpoint: null, devices: null },
  leased(2),
  { type: 'pauseRequested', reason: 'YIELD' },
]

function writeSteps(directory: string, attempt: number, last: number, first = 1): void {
  for (let seq = first; seq <= last; seq += 1) {
    const step = { type: 'step', epoch: 1, step: seq, loss: 1, nonFinite: false, learningRate: 0.1, imagesPerSecond: 9 }
    appendFileSync(eventsFile(directory, attempt), eventLine({ run: runId, attempt, seq, at, ...step }))
  }
}

beforeAll(async () => {
  mkdirSync(whole)
  const log = await openOn(createMemoryLogStore(runId), whole)
  for (const event of story) {
    await log.append(event)
    if (event.type !== 'leased') continue
    writeSteps(whole, event.toAttempt, 3)
    await log.takeOver()
  }
})

let copies = 0
function copyOfWhole(): string {
  const directory = join(home, String((copies += 1)))
  cpSync(whole, directory, { recursive: true })
  return directory
}

/** Bytes of the first lines. */
function endOfLine(directory: string, count: number): number {
  return readFileSync(fileOf(directory), 'utf8')
    .split(/(?<=\n)/)
    .slice(0, count)
    .join('').length
}

function cutToLines(directory: string, count: number): number {
  const end = endOfLine(directory, count)
  writeFileSync(fileOf(directory), readFileSync(fileOf(directory)).subarray(0, end))
  return end
}

function flip(directory: string, byte: number, mask: number): Buffer {
  const bytes = readFileSync(fileOf(directory))
  bytes.writeUInt8(bytes.readUInt8(byte) ^ mask, byte)
  writeFileSync(fileOf(directory), bytes)
  return bytes
}

/** An event that the database refuses lies in the file alone, and is damaged there; returns the byte at which it begins. */
async function damageUnstored(
  log: RunLog,
  { store, directory }: { store: MemoryLogStore; directory: string },
): Promise<number> {
  store.faults = ['REFUSED']
  await expect(log.append({ type: 'pauseRequested', reason: 'USER' })).rejects.toThrow('refused')
  const start = endOfLine(directory, story.length - 1)
  flip(directory, start + 10, 1)
  return start
}

async function rowsOf(directory: string): Promise<unknown> {
  const store = createMemoryLogStore(runId)
  await (await openOn(store, directory)).takeOver()
  return store.rows()
}

const keptFiles = (directory: string): string[] => readdirSync(directory).filter((name) => name.includes('damaged'))

test('any byte, found at a start: the run ends or reads as before, and again from its directory', async () => {
  const expected = await rowsOf(whole)
  const ends = { asBefore: 0, ended: 0 }
  const anyDamage = fc.record({
    byte: fc.noBias(fc.integer({ min: 0, max: readFileSync(fileOf(whole)).length - 1 })),
    mask: fc.integer({ min: 1, max: 255 }),
    known: fc.noBias(fc.integer({ min: 0, max: story.length })),
  })
  await fc.assert(
    fc.asyncProperty(anyDamage, async ({ byte, mask, known }) => {
      const directory = copyOfWhole()
      const store = createMemoryLogStore(runId)
      const knownBytes = cutToLines(directory, known)
      await (await openOn(store, directory)).takeOver()
      cpSync(fileOf(whole), fileOf(directory))
      const damaged = flip(directory, byte, mask)

      const log = await openOn(store, directory)
      await log.takeOver()
      const { run } = log
      if (log.damage() === null) {
        ends.asBefore += 1
        expect(store.rows()).toEqual(expected)
        expect(keptFiles(directory)).toEqual([])
      } else {
        ends.ended += 1
        expect(byte).toBeGreaterThanOrEqual(knownBytes)
        expect([isTerminal(run.state), run.attempt === 0 || log.isReleased()]).toEqual([true, true])
        expect(['RUN_DIRECTORY_INVALID', 'TRAINER_DIED']).toContain(run.failure?.code)
        expect(keptFiles(directory)).toEqual(['events.server.jsonl.damaged-1'])
        expect(readFileSync(`${fileOf(directory)}.damaged-1`)).toEqual(damaged)
        expect(await rowsOf(directory)).toEqual(store.rows())
      }

      // Whatever came of it, the run goes on.
      if (isTerminal(log.run.state)) await log.append({ type: 'resumeRequested', checkpoint: null, devices: null })
      await log.append({ type: 'priorityChanged', priority: 7 })
      expect(log.run.priority).toBe(7)
      if (byte >= knownBytes) expect(await rowsOf(directory)).toEqual(store.rows())
    }),
    { numRuns: damages, seed },
  )
  expect(ends.asBefore).toBeGreaterThan(0)
  expect(ends.ended).toBeGreaterThan(damages / 4)
})

test('found while the server runs: its trainer is ended first, what it had written counts, and whoever asked sees the end', async () => {
  const directory = copyOfWhole()
  const store = createMemoryLogStore(runId)
  cutToLines(directory, story.length - 1)
  const told: string[] = []
  const log = await openOn(store, directory, {
    endTrainer: (id, { message }) => {
      told.push(`end ${id}: ${message}`)
      writeSteps(directory, 2, 4, 4)
      return Promise.resolve()
    },
    ended: (id, { keptAs }) => told.push(`ended ${id}: ${keptAs}, ${log.run.state}`),
  })
  await log.takeOver()
  const start = await damageUnstored(log, { store, directory })

  const seen = await log.exclusively(({ run }) => Promise.resolve([run.state, run.step]))
  expect(seen).toEqual(['FAILED', 4])
  const message = `events.server.jsonl: expected the line at byte ${start} to have the checksum `
  expect(told).toEqual([
    expect.stringMatching(new RegExp(`^end r: ${message}[0-9a-f]{8}; found [0-9a-f]{8}\\.$`)),
    'ended r: events.server.jsonl.damaged-1, FAILED',
  ])
  expect(log.run.failure).toEqual({
    code: 'RUN_DIRECTORY_INVALID',
    message: expect.stringMatching(
      new RegExp(
        `^${message}.*\\. What came before counts; the damaged file is kept as events\\.server\\.jsonl\\.damaged-1\\.$`,
      ),
    ) as string,
    fix: 'Resume the run: it goes on from its latest checkpoint. Look for faults of the disk that holds it.',
    step: 4,
    nonFinite: false,
  })
  expect(store.events().slice(-3)).toEqual([
    '2.4 step',
    `0.${story.length} released`,
    `0.${story.length + 1} runFailed`,
  ])
  expect(JSON.parse(readFileSync(fenceFile(directory, 2), 'utf8'))).toEqual({ attempt: 2, seq: 4 })
  expect(await rowsOf(directory)).toEqual(store.rows())
})

test('a database that is away when the end is to be stored: once it is back, everybody is told, once', async () => {
  const directory = copyOfWhole()
  const store = createMemoryLogStore(runId)
  cutToLines(directory, story.length - 1)
  const told: string[] = []
  const log = await openOn(store, directory, {
    endTrainer: () => Promise.resolve(void told.push('end')),
    ended: () => told.push(`ended, ${log.run.state}`),
  })
  await log.takeOver()
  await damageUnstored(log, { store, directory })

  // Of `released` and `runFailed`.
  store.faults = ['NONE', 'REFUSED']
  await expect(log.takeOver()).rejects.toThrow('refused')
  expect(told).toEqual(['end'])
  await log.takeOver()
  await log.takeOver()
  expect(told).toEqual(['end', 'ended, FAILED'])
  expect(await rowsOf(directory)).toEqual(store.rows())
})

test('what ended before the damage stays as it ended', async () => {
  const directory = copyOfWhole()
  cutToLines(directory, 6)
  const log = await openOn(createMemoryLogStore(runId), directory)
  await log.append({ type: 'succeeded' })
  const before = readFileSync(fileOf(directory))
  await log.append({ type: 'checkpointPinned', name: '1-00000003', pinned: true })
  flip(directory, before.length + 3, 1)
  const store = createMemoryLogStore(runId)
  const again = await openOn(store, directory)
  await again.takeOver()
  expect([again.run.state, again.run.failure]).toEqual(['SUCCEEDED', null])
  expect(readFileSync(fileOf(directory))).toEqual(before)
  expect(keptFiles(directory)).toEqual(['events.server.jsonl.damaged-1'])
})

test('attempts that the lost lines told of are fenced too, from their first event on', async () => {
  const directory = copyOfWhole()
  writeFileSync(join(directory, 'lock.2'), '{')
  flip(directory, endOfLine(directory, 8) + 3, 1)
  const log = await openOn(createMemoryLogStore(runId), directory)
  await log.takeOver()
  expect([log.run.attempt, log.run.state]).toEqual([1, 'FAILED'])
  expect(JSON.parse(readFileSync(fenceFile(directory, 2), 'utf8'))).toEqual({ attempt: 2, seq: 0 })
})

test.each([
  ['shorter than what was taken over', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 500))],
  ['gone', (file: string) => rmSync(file)],
])('a file that is %s ends the run', async (_what, harm) => {
  const directory = copyOfWhole()
  const store = createMemoryLogStore(runId)
  await (await openOn(store, directory)).takeOver()
  harm(fileOf(directory))
  const again = await openOn(store, directory)
  await again.takeOver()
  expect([again.run.state, again.isReleased()]).toEqual(['FAILED', true])
  expect(again.run.failure?.message).toMatch(
    /^events\.server\.jsonl: expected the \d+ bytes that were taken over; found fewer\./,
  )
  await again.append({ type: 'resumeRequested', checkpoint: null, devices: null })
  expect(again.run.state).toBe('QUEUED')
  expect(existsSync(fileOf(directory))).toBe(true)
})
