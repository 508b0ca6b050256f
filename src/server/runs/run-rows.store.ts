// Rows of runs as plain records.
import { loadReportSchema } from '../../shared/load-report.ts'
import { runPlanSchema } from '../../shared/run-plan.ts'
import { deviceRequestSchema, parseRunSpec, parseWith } from '../../shared/run-spec.ts'
import { parseNullable } from '../database/json-column.ts'
import { createKnownJson } from '../database/known-json.ts'
import type { Run as RunRow } from '../prisma-client/client.ts'
import { replicaStallSchema, type RunRecord } from './run.record.ts'

export interface RunRows {
  readonly recordOf: (row: RunRow) => RunRecord
  /** The run is no more. */
  forget(id: string): void
}

export function createRunRows(): RunRows {
  const specs = createKnownJson(parseRunSpec)
  const plans = createKnownJson((plan) => parseWith(runPlanSchema, plan, 'run plan'))
  return {
    recordOf(row) {
      const { failureCode, failureMessage, failureFix, failureStep, failureNonFinite, ...columns } = row
      const spec = specs.of(row.id, row.spec)
      return {
        ...columns,
        loadReport: parseNullable(loadReportSchema, row.loadReport, 'load report'),
        stall: parseNullable(replicaStallSchema, row.stall, 'replica stall'),
        plan: row.plan === null ? null : plans.of(row.id, row.plan),
        resumeDevices: parseNullable(deviceRequestSchema, row.resumeDevices, 'device request'),
        architecture: spec.model.architecture,
        engineChoice: spec.engine,
        spec,
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
