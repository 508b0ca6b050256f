// Rows of runs as plain records. A run's spec and plan never change, and are read and parsed once.
import { loadReportSchema } from '../../shared/load-report.ts'
import { runPlanSchema } from '../../shared/run-plan.ts'
import { deviceRequestSchema, parseRunSpec } from '../../shared/run-spec.ts'
import { parseNullable } from '../database/json-column.ts'
import { createKnownJson } from '../database/known-json.ts'
import type { Database } from '../database/database.ts'
import type { Prisma, Run as RunRow } from '../prisma-client/client.ts'
import { type PlannedRun, replicaStallSchema, type RunRecord } from './run.record.ts'

export interface RunRows {
  readonly recordOf: (row: RunRow) => RunRecord
  /** In order of creation. */
  listPlanned(where: Prisma.RunWhereInput): Promise<PlannedRun[]>
  /** The run is no more. */
  forget(id: string): void
}

const plannedColumns = {
  ...{ id: true, state: true, createdAt: true, attempt: true, startedAttempt: true, tries: true, notBefore: true },
  ...{ resumeFrom: true, resumeDevices: true, deviceNames: true, globalBatch: true, stepsPerEpoch: true, step: true },
  ...{ imagesPerSecond: true, priority: true, stateSince: true, waitingSince: true, backfilledUntil: true },
} as const satisfies Prisma.RunSelect

type FixedColumns = Pick<RunRow, 'id' | 'spec' | 'plan' | 'lastCursor'>

export function createRunRows({ prisma }: Database): RunRows {
  const specs = createKnownJson(parseRunSpec)
  const plans = createKnownJson((plan) => parseNullable(runPlanSchema, plan, 'run plan'))

  /** The plan comes with the first event. */
  const fixedOf = ({ id, spec, plan, lastCursor }: FixedColumns): Pick<RunRecord, 'spec' | 'plan'> => ({
    spec: specs.of(id, spec),
    plan: lastCursor === 0 ? null : plans.of(id, plan),
  })

  function findFixed(id: string): Pick<RunRecord, 'spec' | 'plan'> | null {
    const [spec, plan] = [specs.find(id), plans.find(id)]
    return spec === undefined || plan === undefined ? null : { spec, plan }
  }

  async function readFixed(ids: string[]): Promise<Map<string, Pick<RunRecord, 'spec' | 'plan'>>> {
    if (ids.length === 0) return new Map()
    const select = { id: true, spec: true, plan: true, lastCursor: true } as const
    const rows = await prisma.run.findMany({ where: { id: { in: ids } }, select })
    return new Map(rows.map((row) => [row.id, fixedOf(row)]))
  }

  return {
    async listPlanned(where) {
      const rows = await prisma.run.findMany({ where, select: plannedColumns, orderBy: { id: 'asc' } })
      const read = await readFixed(rows.flatMap(({ id }) => (findFixed(id) === null ? [id] : [])))
      return rows.flatMap((row) => {
        const fixed = read.get(row.id) ?? findFixed(row.id)
        // It was deleted just now.
        if (fixed === null) return []
        const resumeDevices = parseNullable(deviceRequestSchema, row.resumeDevices, 'device request')
        return [{ ...row, ...fixed, resumeDevices }]
      })
    },
    recordOf(row) {
      const { failureCode, failureMessage, failureFix, failureStep, failureNonFinite, ...columns } = row
      const fixed = fixedOf(row)
      const { spec } = fixed
      return {
        ...columns,
        loadReport: parseNullable(loadReportSchema, row.loadReport, 'load report'),
        stall: parseNullable(replicaStallSchema, row.stall, 'replica stall'),
        resumeDevices: parseNullable(deviceRequestSchema, row.resumeDevices, 'device request'),
        architecture: spec.model.architecture,
        engineChoice: spec.engine,
        ...fixed,
        failure:
          failureCode === null || failureMessage === null || failureFix === null
            ? null
            : {
                code: failureCode,
                message: failureMessage,
                fix: failureFix,
                step: failureStep,
                nonFinite: failureNonFinite,
              },
      }
    },
    forget(id) {
      specs.forget(id)
      plans.forget(id)
    },
  }
}
