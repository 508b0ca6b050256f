// Plans as the GraphQL types show them.
import type { RunPlan as KeptPlan } from '../../shared/run-plan.ts'
import type { PlannedRun } from './planner.ts'
import type { PlanRunSuccess, RunPlan } from './planning.type.ts'

/** `key`: of the run that it is kept with. */
export function runPlanPayload(plan: KeptPlan, { epochs, key }: { epochs: number; key: string | null }): RunPlan {
  const { parameters, flopsPerImage, memoryBytes, stepsPerEpoch, ...expected } = plan
  return {
    runKey: key,
    parameters: BigInt(parameters),
    flopsPerImage: flopsPerImage === null ? null : BigInt(flopsPerImage),
    memoryBytesPerDevice: memoryBytes === null ? null : BigInt(memoryBytes.each),
    memoryBytes: memoryBytes === null ? null : BigInt(memoryBytes.total),
    stepsPerEpoch,
    steps: epochs * stepsPerEpoch,
    ...expected,
  }
}

export function planRunPayload({ plan, ...queue }: PlannedRun, run: { epochs: number }): PlanRunSuccess {
  return { __typename: 'PlanRunSuccess', plan: runPlanPayload(plan, { ...run, key: null }), ...queue }
}
