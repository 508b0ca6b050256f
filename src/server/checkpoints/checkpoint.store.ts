// Checkpoints in the database.
import { z } from 'zod'
import { loadReportSchema } from '../../shared/load-report.ts'
import { parseWith } from '../../shared/parse-with.ts'
import { architectures } from '../../shared/run-spec.ts'
import type { Database } from '../database/database.ts'
import { parseNullable } from '../database/json-column.ts'
import type { PageRequest } from '../page.ts'
import { type Checkpoint as CheckpointRow, Prisma } from '../prisma-client/client.ts'
import {
  type CheckpointOrigin,
  type CheckpointPosition,
  type CheckpointRecord,
  importSourceSchema,
} from './checkpoint.record.ts'

/** What is listed; null: no matter. */
export interface CheckpointFilter {
  runId: string | null
  origin: CheckpointOrigin | null
}

const architectureSchema = z.enum(architectures)

export interface CheckpointStore {
  /** Those that are deleted too. */
  findMany(keys: readonly string[]): Promise<CheckpointRecord[]>
  /** Up to `limit + 1` rows, none that is deleted. */
  page(page: PageRequest<CheckpointPosition>, filter: CheckpointFilter): Promise<CheckpointRecord[]>
  count(filter: CheckpointFilter): Promise<number>
  /** The one that a run wrote last, of those that are there. */
  findLast(runId: string): Promise<CheckpointRecord | null>
  /** Names of those of a run that are there, oldest first. */
  listNames(runId: string): Promise<string[]>
  /** Imported ones, those that are deleted too. */
  listImported(): Promise<CheckpointRecord[]>
  /** Keys of runs' checkpoints that a user deleted: their folders are gone, or about to go. */
  listDeletedByUsers(): Promise<string[]>
  /** Writes a row whole, in place of the one of this key. */
  put(record: CheckpointRecord): Promise<void>
  remove(key: string): Promise<void>
}

export function createCheckpointStore({ prisma }: Database): CheckpointStore {
  const there = ({ runId, origin }: CheckpointFilter) => ({
    deletedAt: null,
    ...(runId === null ? {} : { runId }),
    ...(origin === null ? {} : { origin }),
  })
  return {
    async findMany(keys) {
      return (await prisma.checkpoint.findMany({ where: { key: { in: [...keys] } } })).map(recordOf)
    },
    async page({ limit, from, after, before }, filter) {
      const front = from === 'front'
      const rows = await prisma.checkpoint.findMany({
        where: {
          AND: [
            there(filter),
            after === null
              ? {}
              : { OR: [{ series: { lt: after.series } }, { series: after.series, cursor: { gt: after.cursor } }] },
            before === null
              ? {}
              : { OR: [{ series: { gt: before.series } }, { series: before.series, cursor: { lt: before.cursor } }] },
          ],
        },
        orderBy: front ? [{ series: 'desc' }, { cursor: 'asc' }] : [{ series: 'asc' }, { cursor: 'desc' }],
        take: limit + 1,
      })
      return (front ? rows : rows.reverse()).map(recordOf)
    },
    count: (filter) => prisma.checkpoint.count({ where: there(filter) }),
    async findLast(runId) {
      const where = { runId, deletedAt: null }
      const row = await prisma.checkpoint.findFirst({ where, orderBy: { cursor: 'desc' } })
      return row === null ? null : recordOf(row)
    },
    async listNames(runId) {
      const rows = await prisma.checkpoint.findMany({
        where: { runId, deletedAt: null },
        select: { name: true },
        orderBy: { cursor: 'asc' },
      })
      return rows.map(({ name }) => name)
    },
    async listImported() {
      return (await prisma.checkpoint.findMany({ where: { origin: 'IMPORTED' } })).map(recordOf)
    },
    async listDeletedByUsers() {
      const rows = await prisma.$queryRaw<{ key: string }[]>`
        SELECT DISTINCT "key" FROM "Event" AS event
        JOIN "Checkpoint" AS checkpoint
          ON checkpoint."runId" = event."runId" AND checkpoint."name" = event."payload"->>'name'
        WHERE event."type" = 'checkpointDeleted' AND "deletedAt" IS NOT NULL
        ORDER BY "key"`
      return rows.map(({ key }) => key)
    },
    async put(record) {
      const columns = checkpointColumns(record)
      await prisma.checkpoint.upsert({ where: { key: record.key }, create: columns, update: columns })
    },
    async remove(key) {
      await prisma.checkpoint.deleteMany({ where: { key } })
    },
  }
}

function checkpointColumns(record: CheckpointRecord): Prisma.CheckpointUncheckedCreateInput {
  return {
    ...record,
    importedFrom: record.importedFrom ?? Prisma.DbNull,
    loadReport: record.loadReport ?? Prisma.DbNull,
  }
}

function recordOf(row: CheckpointRow): CheckpointRecord {
  const { origin, runId, attempt, importedFrom, loadReport, architecture, ...columns } = row
  const common = { ...columns, architecture: parseWith(architectureSchema, architecture, 'architecture') }
  if (origin === 'IMPORTED') {
    return {
      ...common,
      origin,
      runId: null,
      attempt: null,
      importedFrom: parseWith(importSourceSchema, importedFrom, 'import source'),
      loadReport: parseNullable(loadReportSchema, loadReport, 'load report'),
    }
  }
  if (runId === null || attempt === null) throw new Error(`the checkpoint ${row.key} of a run without the run`)
  return { ...common, origin, runId, attempt, importedFrom: null, loadReport: null }
}
