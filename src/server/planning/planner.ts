// Makes the plan of a run: what it computes, how fast it is expected to be, and what the queue would do with it.
import type { DatasetInfo } from '../../shared/datasets.ts'
import { type RunPlan, runPlanSchema } from '../../shared/run-plan.ts'
import type { RunSpec } from '../../shared/run-spec.ts'
import type { DeviceService } from '../devices/device.service.ts'
import type { Log } from '../log.ts'
import type { RunPlanner } from '../runs/run.service.ts'
import { fewestOf } from '../scheduling/device-slots.ts'
import type { Queue } from '../scheduling/queue.ts'
import { type Pace, remainingSeconds } from './pace.ts'
import { findPlace, likelyDevices } from './places.ts'
import type { RunEstimates } from './run-estimates.ts'
import { modelSize, type Workload, workloadOf } from './workload.ts'

export interface PlannedRun {
  plan: RunPlan
  /** When it is expected to get its devices, and to end; null where nobody can tell. */
  expectedStart: Date | null
  expectedEnd: Date | null
  /** In the queue, from 1; null where it would not wait, or cannot start as things are. */
  queuePosition: number | null
  /** In words; null where it would start at once. */
  waitingFor: string | null
}

export interface Planner extends RunPlanner {
  /** Changes nothing. */
  plan(spec: RunSpec, dataset: DatasetInfo): Promise<PlannedRun>
}

export interface PlannerDeps {
  devices: DeviceService
  queue: Pick<Queue, 'preview'>
  estimates: RunEstimates
  log: Log
  now: () => Date
}

export function createPlanner({ devices, queue, estimates, log, now }: PlannerDeps): Planner {
  async function plan(spec: RunSpec, dataset: DatasetInfo): Promise<PlannedRun> {
    const size = modelSize(spec, dataset)
    const workload = workloadOf(spec, dataset, size)
    const { devices: request, priority } = spec
    const all = await devices.list()
    const paceOn = (names: readonly string[]): Pace | string => {
      const place = findPlace(names, all)
      return place === null ? 'the devices that it asks for are not there' : estimates.pace(workload, place)
    }
    const at = now()
    const preview = await queue.preview({
      request,
      priority,
      expectedSeconds(count) {
        const pace = paceOn(likelyDevices(request, count, all))
        return typeof pace === 'string' ? null : secondsOf(workload, pace)
      },
    })
    const { deviceNames, waitSeconds, position, words } = preview
    const names = deviceNames.length > 0 ? deviceNames : likelyDevices(request, fewestOf(request), all)
    const pace = paceOn(names)
    const expectedStart = waitSeconds === null ? null : new Date(at.getTime() + waitSeconds * 1000)
    const seconds = typeof pace === 'string' ? null : secondsOf(workload, pace)
    return {
      plan: {
        parameters: size.parameters,
        image: workload.image,
        flopsPerImage: workload.flopsPerImage,
        memoryBytes: size.memoryBytes(names.length),
        stepsPerEpoch: workload.stepsPerEpoch,
        validationImages: workload.validationImages,
        ...expectationsOf(workload, pace),
        deviceNames,
        waitSeconds,
      },
      expectedStart,
      expectedEnd:
        expectedStart === null || seconds === null ? null : new Date(expectedStart.getTime() + seconds * 1000),
      queuePosition: position,
      waitingFor: words,
    }
  }

  return {
    plan,
    async tryPlan(spec, dataset) {
      try {
        return runPlanSchema.parse((await plan(spec, dataset)).plan)
      } catch (error) {
        log.error('A run could not be planned; it is created without a plan.', error)
        return null
      }
    },
  }
}

function secondsOf(workload: Workload, pace: Pace): number {
  return pace.startSeconds + remainingSeconds(pace, wholeOf(workload)).expected
}

function expectationsOf(
  workload: Workload,
  pace: Pace | string,
): Pick<RunPlan, 'imagesPerSecond' | 'durationSeconds' | 'basis' | 'basedOn'> {
  if (typeof pace === 'string') return { imagesPerSecond: null, durationSeconds: null, basis: null, basedOn: pace }
  const { imagesPerSecond, basis, words } = pace
  return { imagesPerSecond, durationSeconds: remainingSeconds(pace, wholeOf(workload)), basis, basedOn: words }
}

function wholeOf({ epochs, stepsPerEpoch, globalBatch }: Workload) {
  return { steps: epochs * stepsPerEpoch, epochs, globalBatch }
}
