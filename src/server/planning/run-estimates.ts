// Estimates from past runs, for the queue and for plans: how fast a run is to be, how long it takes, when it ends.
import { stepsDoneAt } from '../../shared/run-directory.ts'
import type { DeviceRequest } from '../../shared/run-spec.ts'
import type { DeviceRecord } from '../devices/device.record.ts'
import type { PlannedRun } from '../runs/run.record.ts'
import type { Estimates } from '../scheduling/estimates.ts'
import type { MeasuredRun, Place } from './measured-run.ts'
import { type Course, expectPace, type Pace, remainingSeconds } from './pace.ts'
import type { PastRuns } from './past-runs.ts'
import { findPlace, likelyDevices } from './places.ts'
import { findWorkload, type Workload } from './workload.ts'

export interface RunEstimates extends Estimates {
  /** In words why not, where nothing can be told. */
  pace(workload: Workload, place: Place): Pace | string
}

export function createRunEstimates({ pastRuns, now }: { pastRuns: PastRuns; now: () => Date }): RunEstimates {
  let devices: readonly DeviceRecord[] = []
  let machine = ''
  /** Of what all below was made. */
  let basis = ''
  let measured: MeasuredRun[] = []
  let byRun = new Map<string, MeasuredRun>()
  let paces = new Map<string, Pace | string>()
  let places = new Map<string, Place | null>()

  function pace(workload: Workload, place: Place): Pace | string {
    const key = paceKey(workload, place)
    const known = paces.get(key)
    if (known !== undefined) return known
    const told = expectPace(workload, place, measured)
    paces.set(key, told)
    return told
  }

  /** Of the devices that a request may get. */
  function likelyPlace(request: DeviceRequest, count: number): Place | null {
    const key = request.kind === 'NAMED' ? request.names.join() : `${request.deviceKind} ${count}`
    const known = places.get(key)
    if (known !== undefined) return known
    const place = findPlace(likelyDevices(request, count, devices), devices)
    places.set(key, place)
    return place
  }

  function findPace(workload: Workload, place: Place | null): Pace | null {
    const told = place === null ? null : pace(workload, place)
    return typeof told === 'string' ? null : told
  }

  /** As it has been so far; before that can be told, as runs like it were. */
  function ownCourse(run: PlannedRun, workload: Workload): Course | null {
    const likely = findPace(workload, findPlace(run.deviceNames, devices))
    const own = byRun.get(run.id)
    if (own?.attempt === run.attempt) {
      const { imagesPerSecond, validationSeconds } = own
      return courseAt(imagesPerSecond, { validationSeconds, restSeconds: likely?.restSeconds ?? 0 })
    }
    const rate = meanRate(run, pastRuns)
    if (rate === null) return likely
    const { validationSeconds = workload.validationImages / (3 * rate), restSeconds = 0 } = likely ?? {}
    return courseAt(rate, { validationSeconds, restSeconds })
  }

  return {
    pace,
    async refresh(current) {
      await pastRuns.refresh()
      const found = current.map(signature).join(' ')
      if (found !== machine) devices = current
      machine = found
      const next = `${pastRuns.version} ${machine}`
      if (next === basis) return
      basis = next
      measured = pastRuns.list(devices)
      byRun = new Map(measured.map((run) => [run.runId, run]))
      paces = new Map()
      places = new Map()
    },
    expectedSeconds(run, count) {
      const workload = findWorkload(run)
      if (workload === null) return null
      const expected = findPace(workload, likelyPlace(run.resumeDevices ?? run.spec.devices, count))
      return expected === null ? null : expected.startSeconds + remainingSeconds(expected, toDo(run, workload)).expected
    },
    expectedEnd(run) {
      const workload = findWorkload(run)
      if (workload === null) return null
      if (run.startedAttempt !== run.attempt) {
        const expected = findPace(workload, findPlace(run.deviceNames, devices))
        if (expected === null) return null
        const { expected: seconds } = remainingSeconds(expected, toDo(run, workload))
        return after(run.stateSince ?? now(), expected.startSeconds + seconds)
      }
      const own = ownCourse(run, workload)
      if (own === null) return null
      const total = workload.epochs * workload.stepsPerEpoch
      const epochs = workload.epochs - (byRun.get(run.id)?.lastEpoch ?? 0)
      const left = { steps: Math.max(0, total - run.step), epochs, globalBatch: workload.globalBatch }
      // Counted from its last sign of work: one that comes to a halt does not put its end off.
      const at = pastRuns.progress(run.id)?.at
      return after(at === undefined ? now() : new Date(at), remainingSeconds(own, left).expected)
    },
  }
}

/** What the next attempt of a run has to do. */
function toDo(run: PlannedRun, { epochs, stepsPerEpoch, globalBatch }: Workload) {
  const steps = Math.max(0, epochs * stepsPerEpoch - stepsDoneAt(run.resumeFrom))
  return { steps, epochs: Math.ceil(steps / Math.max(1, stepsPerEpoch)), globalBatch }
}

/** Images a second since training began; the first step alone would say too little of it. */
function meanRate({ id, globalBatch, imagesPerSecond }: PlannedRun, pastRuns: PastRuns): number | null {
  const progress = pastRuns.progress(id)
  if (progress === null || progress.steps === 0 || progress.at <= progress.from) return imagesPerSecond
  return (progress.steps * globalBatch) / ((progress.at - progress.from) / 1000)
}

function courseAt(rate: number, between: Pick<Course, 'validationSeconds' | 'restSeconds'>): Course {
  return { imagesPerSecond: { expected: rate, low: rate, high: rate }, ...between }
}

function paceKey(workload: Workload, { kind, devices, units }: Place): string {
  const { architecture, dataset, image, flopsPerImage, precision, engineChoice } = workload
  const { globalBatch, shards, syncBatchNorm, validationImages } = workload
  const size = image === null ? dataset : `${image.channels}x${image.height}x${image.width}`
  const computed = `${architecture} ${size} ${flopsPerImage ?? ''} ${precision} ${engineChoice}`
  const setting = `${globalBatch} ${shards} ${String(syncBatchNorm)} ${validationImages}`
  return `${computed} ${setting} ${kind} ${devices} ${units}`
}

/** What of a device estimates rest on. */
function signature({ name, present, availability, cores }: DeviceRecord): string {
  return `${name} ${present} ${availability} ${cores.join()}`
}

function after(from: Date, seconds: number): Date {
  return new Date(from.getTime() + seconds * 1000)
}
