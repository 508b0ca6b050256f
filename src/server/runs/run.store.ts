// Runs in the database: reading them, and writing what their events change.
import type { RunSpec } from '../../shared/run-spec.ts'
import { liveRunStates, type RunState } from '../../shared/run-state.ts'
import type { PageRequest } from '../page.ts'
import type { Database } from '../database/database.ts'
import type { Prisma } from '../prisma-client/client.ts'
import { createGroupCommit } from './group-commit.ts'
import { leaseTakenOr } from './lease-taken.store.ts'
import type { RunFilter } from './run-filter.ts'
import { whereOf } from './run-filter.store.ts'
import { storeChanges } from './run-changes.store.ts'
import { createRunRows } from './run-rows.store.ts'
import { isOfSteps, storeSteps } from './run-steps.store.ts'
import { newProjection, type ProjectedBatch } from './run.projection.ts'
import type { PlannedRun, RunRecord } from './run.record.ts'

/** How far an event file has been taken over. */
export interface LogPosition {
  /** 0: the server's own. */
  attempt: number
  seq: number
  /** The file that holds this event; the server's own log has one. */
  part: number
  /** Bytes of that file. */
  offset: number
}

/** A batch of a run's events, and the log positions behind it. */
export interface RunChange {
  runId: string
  batch: ProjectedBatch
  positions: readonly LogPosition[]
}

export interface RunStore {
  find(id: string): Promise<RunRecord | null>
  findMany(ids: readonly string[]): Promise<RunRecord[]>
  /** Newest first; up to `limit + 1` rows. */
  page(page: PageRequest<string>, filter: RunFilter): Promise<RunRecord[]>
  count(filter: RunFilter): Promise<number>
  /** In order of creation. */
  listInStates(states: readonly RunState[]): Promise<PlannedRun[]>
  listIds(): Promise<string[]>
  /** Live runs that begin, or whose latest attempt goes on, with this checkpoint. */
  listLiveFrom(checkpoint: { key: string; runId: string | null; name: string }): Promise<string[]>
  /** Inserts the row of a run without events. */
  insert(spec: RunSpec, createdAt: Date): Promise<void>
  delete(id: string): Promise<void>
  listLogPositions(runId: string): Promise<LogPosition[]>
  /** Of every run, how far the server's own events have been taken over. */
  listServerOffsets(): Promise<{ runId: string; offset: number }[]>
  /** Attempts that are over though their trainers never said a last word: some may still live. */
  listWordless(): Promise<{ runId: string; attempt: number }[]>
  /** Gives back devices that no attempt under way holds, and says which; there are none but by a fault. */
  deleteStaleLeases(): Promise<string[]>
  /** Attempts whose devices have been given back. */
  listReleasedAttempts(runId: string): Promise<number[]>
  /**
   * Writes a batch of events with all they change and the log positions behind them, whole or not at all; in one
   * transaction with those of other runs that come at the time.
   * Rejects where the run's newest event is not the one before the batch.
   * @throws TrainqlError `CONFLICT` where another run holds a device that this one is given
   */
  apply(runId: string, batch: ProjectedBatch, positions: readonly LogPosition[]): Promise<void>
}

export function createRunStore(database: Database): RunStore {
  const { prisma } = database
  const runRows = createRunRows(database)
  const insert = createGroupCommit<NewRun>(async (runs) => {
    await prisma.run.createMany({ data: runs.map(newRow) })
  })
  const commitChanges = async (changes: readonly RunChange[]): Promise<void> => {
    const steps = changes.filter(({ batch }) => isOfSteps(batch))
    const others = changes.filter(({ batch }) => !isOfSteps(batch))
    const writes = steps.length === 0 ? [] : [storeSteps(prisma, steps)]
    if (others.length === 0) await Promise.all(writes)
    else await prisma.$transaction([...writes, ...storeChanges(prisma, others)])
  }
  const commit = createGroupCommit(commitChanges, ({ batch }) => batch.events.length)

  return {
    async find(id) {
      const row = await prisma.run.findUnique({ where: { id } })
      return row === null ? null : runRows.recordOf(row)
    },
    async findMany(ids) {
      return (await prisma.run.findMany({ where: { id: { in: [...ids] } } })).map(runRows.recordOf)
    },
    async page({ limit, from, after, before }, filter) {
      const front = from === 'front'
      const rows = await prisma.run.findMany({
        where: {
          ...whereOf(filter),
          id: { ...(after === null ? {} : { lt: after }), ...(before === null ? {} : { gt: before }) },
        },
        orderBy: { id: front ? 'desc' : 'asc' },
        take: limit + 1,
      })
      return (front ? rows : rows.reverse()).map(runRows.recordOf)
    },
    count: (filter) => prisma.run.count({ where: whereOf(filter) }),
    listInStates: (states) => runRows.listPlanned({ state: { in: [...states] } }),
    async listIds() {
      return (await prisma.run.findMany({ select: { id: true } })).map(({ id }) => id)
    },
    async listLiveFrom({ key, runId, name }) {
      const own = runId === null ? [] : [{ id: runId, resumeFrom: name }]
      const where = { state: { in: [...liveRunStates] }, OR: [{ initialFrom: key }, ...own] }
      return (await prisma.run.findMany({ where, select: { id: true }, orderBy: { id: 'asc' } })).map(({ id }) => id)
    },
    insert: (spec, createdAt) => insert({ spec, createdAt }),
    async delete(id) {
      runRows.forget(id)
      await prisma.run.deleteMany({ where: { id } })
    },
    async listLogPositions(runId) {
      const rows = await prisma.eventLog.findMany({ where: { runId } })
      return rows.map(({ attempt, seq, part, offset }) => ({ attempt, seq, part, offset: Number(offset) }))
    },
    async listServerOffsets() {
      const rows = await prisma.eventLog.findMany({ where: { attempt: 0 } })
      return rows.map(({ runId, offset }) => ({ runId, offset: Number(offset) }))
    },
    listWordless: () => prisma.$queryRaw`
      SELECT "runId", "number" AS "attempt"
      FROM "Attempt" AS over
      WHERE "releasedAt" IS NOT NULL AND NOT EXISTS (
        SELECT FROM "Event" AS word
        WHERE word."type" IN ('finished', 'failed', 'stopped')
          AND word."runId" = over."runId" AND word."attempt" = over."number"
      )
      ORDER BY 1, 2`,
    async deleteStaleLeases() {
      const rows = await prisma.$queryRaw<{ deviceName: string }[]>`
        DELETE FROM "Lease" AS lease
        USING "Run" AS run
        JOIN "Attempt" AS attempt ON attempt."runId" = run."id" AND attempt."number" = run."attempt"
        WHERE run."id" = lease."runId"
          AND (lease."attempt" <> run."attempt" OR attempt."releasedAt" IS NOT NULL)
        RETURNING lease."deviceName"`
      return rows.map(({ deviceName }) => deviceName)
    },
    async listReleasedAttempts(runId) {
      const rows = await prisma.attempt.findMany({ where: { runId, releasedAt: { not: null } } })
      return rows.map(({ number }) => number)
    },
    apply: (runId, batch, positions) =>
      commit({ runId, batch, positions }).catch((error: unknown) => {
        throw leaseTakenOr(error, runId, batch)
      }),
  }
}

interface NewRun {
  spec: RunSpec
  createdAt: Date
}

function newRow({ spec, createdAt }: NewRun): Prisma.RunCreateManyInput {
  const { state, architecture, initialFrom, priority, stateSince, waitingSince } = newProjection(spec, createdAt)
  return {
    ...{ state, architecture, initialFrom, priority, stateSince, waitingSince },
    id: spec.runId,
    name: spec.name,
    dataset: spec.dataset,
    epochs: spec.epochs,
    globalBatch: spec.globalBatch,
    shards: spec.shards,
    engineChoice: spec.engine,
    learningRate: spec.learningRate,
    seed: BigInt(spec.seed),
    spec,
    forkedFrom: spec.forkedFrom?.runId ?? null,
    createdAt,
  }
}
