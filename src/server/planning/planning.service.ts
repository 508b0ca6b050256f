// Plans of runs: of one that is not queued, what `createRun` would refuse is refused alike; of one that is, what became
// of it.
import type { RunSpec } from '../../shared/run-spec.ts'
import type { DeviceService } from '../devices/device.service.ts'
import type { RunRequest } from '../runs/run-request.ts'
import type { RunRecord } from '../runs/run.record.ts'
import type { RunService } from '../runs/run.service.ts'
import { fewestOf } from '../scheduling/device-slots.ts'
import type { Estimates } from '../scheduling/estimates.ts'
import { createSharedReading } from '../runs/shared-reading.ts'
import { gradeRun, type RunGrade } from './grade.ts'
import type { MeasuredRunStore } from './measured-run.store.ts'
import type { PlannedRun, Planner } from './planner.ts'

export interface PlanningService {
  /**
   * Nothing is written, fetched or started; `initial` is the key of the checkpoint that the run names to begin with.
   * @throws TrainqlError as `RunService.create`
   */
  planRun(request: RunRequest, initial: string | null): Promise<{ planned: PlannedRun; spec: RunSpec }>
  /** By run; none of those of which nothing was expected, or that have not got devices yet. */
  gradeRuns(runIds: readonly string[]): Promise<Map<string, RunGrade>>
  /** Null where nobody can tell, and of a run that has ended or is told to leave. */
  expectedEnd(run: RunRecord): Promise<Date | null>
}

export interface PlanningServiceDeps {
  runs: Pick<RunService, 'draft' | 'findMany' | 'waiting'>
  measured: MeasuredRunStore
  devices: DeviceService
  estimates: Estimates
  planner: Planner
}

export function createPlanningService(deps: PlanningServiceDeps): PlanningService {
  const { runs, measured, devices, estimates, planner } = deps
  // Of a list of runs each asks.
  const refresh = createSharedReading(async () => estimates.refresh(await devices.list()))
  return {
    async planRun(request, initial) {
      const { spec, dataset } = await runs.draft(request, initial)
      return { planned: await planner.plan(spec, dataset), spec }
    },
    async gradeRuns(runIds) {
      const [found, rows, leases] = await Promise.all([
        runs.findMany(runIds),
        measured.list(runIds),
        measured.listFirstLeases(runIds),
      ])
      const of = <T extends { runId: string }>(all: readonly T[], id: string): T | null =>
        all.find(({ runId }) => runId === id) ?? null
      return new Map(
        found.flatMap((run): [string, RunGrade][] => {
          const grade = gradeRun(run, of(leases, run.id), of(rows, run.id))
          return grade === null ? [] : [[run.id, grade]]
        }),
      )
    },
    async expectedEnd(run) {
      const isOn = run.state === 'STARTING' || run.state === 'RUNNING' || run.state === 'UNREACHABLE'
      if (run.state !== 'QUEUED' && !isOn) return null
      await refresh('')
      if (run.state === 'QUEUED') {
        const start = runs.waiting(run.id)?.expectedStart ?? null
        const seconds = estimates.expectedSeconds(run, fewestOf(run.resumeDevices ?? run.spec.devices))
        return start === null || seconds === null ? null : new Date(start.getTime() + seconds * 1000)
      }
      return estimates.expectedEnd(run)
    },
  }
}
