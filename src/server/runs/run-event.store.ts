// Events of runs in the database, for reading. They are written with what they change, by the projection's store.
import { z } from 'zod'
import { serverEventSchema, trainerEventSchema } from '../../shared/events.ts'
import { parseWith } from '../../shared/run-spec.ts'
import type { PageRequest } from '../page.ts'
import type { Database } from '../database/database.ts'
import type { StoredEvent } from './run.record.ts'

export interface RunEventStore {
  find(runId: string, cursor: number): Promise<StoredEvent | null>
  listAfter(runId: string, after: number, limit: number): Promise<StoredEvent[]>
  page(runId: string, page: PageRequest<number>): Promise<StoredEvent[]>
  /** The newest event that an attempt wrote; 0 for the server. */
  findLast(runId: string, attempt: number): Promise<StoredEvent | null>
}

const eventSchema = z.union([trainerEventSchema, serverEventSchema])

export function createRunEventStore({ prisma }: Database): RunEventStore {
  return {
    async find(runId, cursor) {
      const row = await prisma.event.findUnique({ where: { runId_cursor: { runId, cursor } } })
      return row === null ? null : stored(row)
    },
    async listAfter(runId, after, limit) {
      const where = { runId, cursor: { gt: after } }
      return (await prisma.event.findMany({ where, orderBy: { cursor: 'asc' }, take: limit })).map(stored)
    },
    async findLast(runId, attempt) {
      const row = await prisma.event.findFirst({ where: { runId, attempt }, orderBy: { seq: 'desc' } })
      return row === null ? null : stored(row)
    },
    async page(runId, { limit, from, after, before }) {
      const front = from === 'front'
      const rows = await prisma.event.findMany({
        where: {
          runId,
          cursor: { ...(after === null ? {} : { gt: after }), ...(before === null ? {} : { lt: before }) },
        },
        orderBy: { cursor: front ? 'asc' : 'desc' },
        take: limit + 1,
      })
      return (front ? rows : rows.reverse()).map(stored)
    },
  }
}

function stored({ cursor, payload }: { cursor: number; payload: unknown }): StoredEvent {
  return { cursor, event: parseWith(eventSchema, payload, 'stored event') }
}
