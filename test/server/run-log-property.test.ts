// Whatever is written in whatever pieces and parts, whatever the database refuses or forgets to answer, whenever the server or the
// trainer dies: the rows are those of one reading of the files at the end, same cursors, nothing lost, nothing doubled.
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { RunFeed } from '../../src/server/runs/run-feed.ts'
import { openRunLog, type RunLog } from '../../src/server/scheduling/run-log.ts'
import { eventLine } from '../../src/shared/event-line.ts'
import type { ServerEvent, TrainerEvent, Unidentified } from '../../src/shared/events.ts'
import { eventsFile } from '../../src/shared/run-directory.ts'
import { createMemoryLogStore, type MemoryLogStore, type StoreFault } from './fixtures/memory-log-store.ts'
import { makeFolder } from './server.ts'

/** The same courses on every machine; TRAINQL_LOG_SEED looks at others. */
const seed = Number(process.env['TRAINQL_LOG_SEED'] ?? 20_260_101)
const courses = 150

/** A part takes so many bytes, and the event that exceeds them. */
const fullBytes = 700

const home = await makeFolder()
afterAll(() => rmSync(home, { recursive: true }))

type Deed =
  | { kind: 'WRITE'; bytes: number }
  | { kind: 'TAKE_OVER' }
  | { kind: 'APPEND' }
  | { kind: 'NEXT_ATTEMPT' }
  | { kind: 'RESTART' }
  | { kind: 'FAULTS'; applies: StoreFault[]; readings: boolean[] }

const deedArbitrary: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('WRITE' as const), bytes: fc.integer({ min: 1, max: 900 }) }) },
  { weight: 5, arbitrary: fc.constant<Deed>({ kind: 'TAKE_OVER' }) },
  { weight: 3, arbitrary: fc.constant<Deed>({ kind: 'APPEND' }) },
  { weight: 1, arbitrary: fc.constant<Deed>({ kind: 'NEXT_ATTEMPT' }) },
  { weight: 1, arbitrary: fc.constant<Deed>({ kind: 'RESTART' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('FAULTS' as const),
      applies: fc.array(fc.constantFrom<StoreFault>('NONE', 'REFUSED', 'ANSWER_LOST'), { maxLength: 4 }),
      readings: fc.array(fc.boolean(), { maxLength: 3 }),
    }),
  },
)

/** A trainer's event by its number: steps, and now and then one of another kind. By a clock that jumps. */
function trainerEvent(attempt: number, seq: number): Unidentified<TrainerEvent> & { at: string } {
  const at = new Date(((seq * 7919) % 97) * 86_400_000).toISOString()
  const rates = { learningRate: 0.1, imagesPerSecond: 9, nonFinite: false }
  if (seq % 5 === 0) {
    const name = `${attempt}-${String(seq).padStart(8, '0')}`
    return { at, type: 'checkpoint', name, epoch: 1, step: seq, bytes: 1, sha256: 'ab' }
  }
  return { at, type: 'step', epoch: 1, step: seq, loss: 1 / seq, ...rates }
}

const runId = 'r'
let courseNumber = 0

/** Keeps what is published, and that it follows on what was before. */
function recordingFeed(): { feed: RunFeed; cursors: number[] } {
  const cursors: number[] = []
  const feed = {
    publish: (_runId, { events }) => cursors.push(...events.map(({ cursor }) => cursor)),
  } as Partial<RunFeed> as RunFeed
  return { feed, cursors }
}

interface Course {
  store: MemoryLogStore
  /** Of each server, the cursors that it published. */
  published: number[][]
  /** Priorities that were set by an append that went well, and by one whose answer was an error. */
  appended: number[]
  doubtful: number[]
  perform(deed: Deed): Promise<void>
  openOn(store: MemoryLogStore): Promise<RunLog>
  /** Priorities in the server's file. */
  ownPriorities(): number[]
}

function beginCourse(): Course {
  const directory = join(home, String((courseNumber += 1)))
  mkdirSync(directory)
  const store = createMemoryLogStore(runId)
  const published: number[][] = []
  const appended: number[] = []
  const doubtful: number[] = []
  let log: RunLog | null = null
  /** The trainer that runs, the last event it made, and what it has not written of its events, by part. */
  const noTrainer = { attempt: 0, seq: 0, part: 1, partBytes: 0, unwritten: [] as { part: number; text: string }[] }
  let trainer = structuredClone(noTrainer)

  function openOn(anyStore: MemoryLogStore): Promise<RunLog> {
    const { feed, cursors } = recordingFeed()
    if (anyStore === store) published.push(cursors)
    return openRunLog({ store: anyStore, feed, now: () => new Date(0) }, { runId, directory })
  }

  /** The database may be away when a server starts. */
  const opened = async (): Promise<RunLog> => (log ??= await openOn(store))

  /** So many bytes more of the trainer's log, wherever that cuts a line. */
  function write(bytes: number): void {
    const { attempt, unwritten } = trainer
    if (attempt === 0) return
    for (let left = bytes; left > 0;) {
      const next = unwritten.shift()
      if (next === undefined) makeEvent()
      else {
        const { part, text } = next
        appendFileSync(eventsFile(directory, attempt, part), text.slice(0, left))
        if (text.length > left) unwritten.unshift({ part, text: text.slice(left) })
        left -= text.length
      }
    }
  }

  /** The trainer's next event, in another part where this one is full; what it writes is in the order of its writes. */
  function makeEvent(): void {
    const { attempt, part, seq: lastSeq, unwritten } = trainer
    const identity = { run: runId, attempt }
    if (trainer.partBytes > fullBytes) {
      const previous = basename(eventsFile(directory, attempt, part))
      const next = basename(eventsFile(directory, attempt, part + 1))
      const opened = eventLine({ ...identity, lastSeq, type: 'partOpened', part: part + 1, previous })
      unwritten.push({ part: part + 1, text: opened })
      unwritten.push({ part, text: eventLine({ ...identity, lastSeq, type: 'partSealed', part, next }) })
      trainer.part += 1
      trainer.partBytes = opened.length
    }
    trainer.seq += 1
    const text = eventLine({ ...identity, seq: trainer.seq, ...trainerEvent(attempt, trainer.seq) })
    trainer.partBytes += text.length
    unwritten.push({ part: trainer.part, text })
  }

  async function append(): Promise<void> {
    const priority = appended.length + doubtful.length + 1
    try {
      await (await opened()).append({ type: 'priorityChanged', priority })
      appended.push(priority)
    } catch (error) {
      doubtful.push(priority)
      throw error
    }
  }

  /** The trainer is killed where it stands, and the next one started: each step only where it is not done. */
  async function nextAttempt(): Promise<void> {
    await (
      await opened()
    ).exclusively(async (own) => {
      const { attempt } = own.run
      if (attempt === trainer.attempt) {
        if (attempt > 0 && !own.isReleased()) {
          await own.append({ type: 'released', toAttempt: attempt, devices: ['cpu:0'], fault: null })
        }
        await own.append({ type: 'leased', toAttempt: attempt + 1, devices: ['cpu:0'], backfilledUntil: null })
      }
      trainer = { ...structuredClone(noTrainer), attempt: own.run.attempt }
    })
  }

  async function perform(deed: Deed): Promise<void> {
    switch (deed.kind) {
      case 'WRITE':
        write(deed.bytes)
        return
      case 'TAKE_OVER':
        return (await opened()).takeOver()
      case 'APPEND':
        return append()
      case 'NEXT_ATTEMPT':
        return nextAttempt()
      case 'RESTART':
        log = null
        return
      case 'FAULTS':
        store.faults.push(...deed.applies)
        store.readFaults.push(...deed.readings)
        return
      default:
        return deed satisfies never
    }
  }

  return {
    ...{ store, published, appended, doubtful, perform, openOn },
    ownPriorities: () =>
      readFileSync(join(directory, 'events.server.jsonl'), 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as ServerEvent)
        .flatMap((event) => (event.type === 'priorityChanged' ? [event.priority] : [])),
  }
}

async function playOut(deeds: readonly Deed[]): Promise<Course> {
  const course = beginCourse()
  await course.perform({ kind: 'NEXT_ATTEMPT' })
  for (const deed of deeds) {
    // Whoever asked gets the error; what becomes of the run is what is looked at.
    await course.perform(deed).catch(() => undefined)
  }
  course.store.faults.length = 0
  course.store.readFaults.length = 0
  await course.perform({ kind: 'TAKE_OVER' })
  return course
}

test('any course of deaths, faults and cuts leads to the rows of one straight reading', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deedArbitrary, { minLength: 1, maxLength: 40 }), async (deeds) => {
      const course = await playOut(deeds)
      const straight = createMemoryLogStore(runId)
      await (await course.openOn(straight)).takeOver()
      expect(course.store.rows()).toEqual(straight.rows())

      const priorities = course.ownPriorities()
      expect(new Set(priorities).size).toBe(priorities.length)
      expect(priorities.filter((priority) => !course.doubtful.includes(priority))).toEqual(course.appended)

      for (const cursors of course.published) {
        expect(cursors).toEqual(cursors.map((_, index) => (cursors[0] ?? 0) + index))
      }
    }),
    { numRuns: courses, seed },
  )
})
