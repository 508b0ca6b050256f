// Events of runs in the database, for reading: steps from their own table, the rest as they were logged, in one order.
// They are written with what they change, by the projection's store.
import { z } from 'zod'
import { serverEventSchema, trainerEventSchema } from '../../shared/events.ts'
import { parseWith } from '../../shared/parse-with.ts'
import type { PageRequest } from '../page.ts'
import type { Database } from '../database/database.ts'
import { Prisma } from '../prisma-client/client.ts'
import type { StoredEvent } from './run.record.ts'

export interface RunEventStore {
  find(runId: string, cursor: number): Promise<StoredEvent | null>
  listAfter(runId: string, after: number, limit: number): Promise<StoredEvent[]>
  page(runId: string, page: PageRequest<number>): Promise<StoredEvent[]>
  /** The newest event that an attempt wrote; 0 for the server. */
  findLast(runId: string, attempt: number): Promise<StoredEvent | null>
}

const eventSchema = z.union([trainerEventSchema, serverEventSchema])

interface StepColumns {
  cursor: number
  attempt: number
  seq: number
  at: Date
  epoch: number
  step: number
  loss: number | null
  nonFinite: boolean
  learningRate: number
  imagesPerSecond: number
}

/** A row of either table: of a step `payload` is null, and of the rest all else but the cursor. */
type EventRow = StepColumns & { payload: unknown }

export function createRunEventStore({ prisma }: Database): RunEventStore {
  /** Strictly between two cursors. One statement, so that no event comes in between its halves. */
  async function list(
    runId: string,
    between: [number, number],
    { limit, from }: Omit<PageRequest<number>, 'after' | 'before'>,
  ) {
    const [after, before] = between
    const order = Prisma.raw(from === 'front' ? 'ASC' : 'DESC')
    const where = Prisma.sql`WHERE "runId" = ${runId} AND "cursor" > ${after} AND "cursor" < ${before}
      ORDER BY "cursor" ${order} LIMIT ${limit}`
    const rows = await prisma.$queryRaw<EventRow[]>`
      (SELECT "cursor", "payload", ${noStep} FROM "Event" ${where})
      UNION ALL
      (SELECT "cursor", NULL, ${ofStep} FROM "StepMetrics" ${where})
      ORDER BY "cursor" ${order} LIMIT ${limit}`
    return rows.map((row) => (row.payload === null ? storedStep(runId, row) : storedOther(row)))
  }

  return {
    async find(runId, cursor) {
      return (await list(runId, [cursor - 1, cursor + 1], { limit: 1, from: 'front' }))[0] ?? null
    },
    listAfter: (runId, after, limit) => list(runId, [after, largestCursor], { limit, from: 'front' }),
    async findLast(runId, attempt) {
      const last = await prisma.event.findFirst({ where: { runId, attempt }, orderBy: { seq: 'desc' } })
      // The server takes no steps; a trainer may have taken some behind what else it told.
      const where = { runId, attempt, cursor: { gt: last?.cursor ?? 0 } }
      const step = attempt === 0 ? null : await prisma.stepMetrics.findFirst({ where, orderBy: { cursor: 'desc' } })
      if (step !== null) return storedStep(runId, step)
      return last === null ? null : storedOther(last)
    },
    async page(runId, { limit, from, after, before }) {
      const rows = await list(runId, [after ?? 0, before ?? largestCursor], { limit: limit + 1, from })
      return from === 'front' ? rows : rows.reverse()
    },
  }
}

const largestCursor = 2 ** 31 - 1

const stepColumns = {
  attempt: 'integer',
  seq: 'integer',
  at: 'timestamptz',
  epoch: 'integer',
  step: 'integer',
  loss: 'double precision',
  nonFinite: 'boolean',
  learningRate: 'double precision',
  imagesPerSecond: 'double precision',
} satisfies Record<Exclude<keyof StepColumns, 'cursor'>, string>
const ofStep = Prisma.raw(
  Object.keys(stepColumns)
    .map((name) => `"${name}"`)
    .join(', '),
)
const noStep = Prisma.raw(
  Object.entries(stepColumns)
    .map(([name, type]) => `NULL::${type} AS "${name}"`)
    .join(', '),
)

function storedOther({ cursor, payload }: { cursor: number; payload: unknown }): StoredEvent {
  return { cursor, event: parseWith(eventSchema, payload, 'stored event') }
}

function storedStep(run: string, columns: StepColumns): StoredEvent {
  const { cursor, attempt, seq, at, epoch, step, loss, nonFinite, learningRate, imagesPerSecond } = columns
  const identity = { run, attempt, seq, at: at.toISOString(), type: 'step' as const }
  return { cursor, event: { ...identity, epoch, step, loss, nonFinite, learningRate, imagesPerSecond } }
}
