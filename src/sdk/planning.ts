// The client's methods for what is expected of a run: before it is created, and held against what happened.
import type { CheckpointMethodDeps } from './checkpoints.ts'
import type { CallOptions } from './client.ts'
import { failureOf, notFound } from './errors.ts'
import * as operations from './generated/operations.ts'
import type { CreateRunInput } from './generated/schema.ts'

/** What a run would take, and when it would start, were it created now; counts are decimal strings. */
export type PlannedRun = Omit<Extract<operations.PlanRunQuery['planRun'], { plan: unknown }>, '__typename'>
/** What was expected of a run when it was created, null where nobody could tell; and when it is expected to end. */
export type RunPlan = NonNullable<operations.RunPlanQuery['run']>

export interface PlanningMethods {
  /**
   * What `createRun` would queue: its size, how long it is expected to take and why, and when it would start. Nothing is
   * changed. @throws TrainqlFailure as `createRun`
   */
  planRun(input: CreateRunInput, options?: CallOptions): Promise<PlannedRun>
  /** What was expected of a run, with `grade` held against what happened. @throws TrainqlFailure `NOT_FOUND` */
  runPlan(id: string, options?: CallOptions): Promise<RunPlan>
}

export function planningMethods({ send }: Pick<CheckpointMethodDeps, 'send'>): PlanningMethods {
  return {
    async planRun(input, call) {
      const { planRun } = await send(operations.PlanRunDocument, { input }, call)
      if (!('plan' in planRun)) throw failureOf(planRun)
      const { __typename, ...planned } = planRun
      return planned
    },
    async runPlan(id, call) {
      const { run } = await send(operations.RunPlanDocument, { id }, call)
      if (run !== null) return run
      throw notFound('run', id, 'List what there is with client.runs().')
    },
  }
}
