// What every resolver of one request or one subscription event shares: batched look-ups, so that lists cost one query.
import DataLoader from 'dataloader'
import type { CheckpointRecord } from './checkpoints/checkpoint.record.ts'
import type { EpochClassesRecord } from './metrics/epoch-classes.payload.ts'
import type { EpochMetricsRecord } from './metrics/epoch-metrics.payload.ts'
import type { StepSeriesRecord, StepSeriesRequest } from './metrics/step-metrics.record.ts'
import type { DeviceRecord } from './devices/device.record.ts'
import type { RunGrade } from './planning/grade.ts'
import type { RunEventService } from './runs/run-event.service.ts'
import type { RunAttemptRecord, RunRecord } from './runs/run.record.ts'

export interface Context {
  /** By run key. */
  runs: DataLoader<string, RunRecord | null>
  /** By run key, in order. */
  attempts: DataLoader<string, RunAttemptRecord[]>
  /** By run key, the runs that were made from it. */
  forks: DataLoader<string, { id: string; forkedFrom: string | null }[]>
  /** By run key, in order of attempt and epoch. */
  epochMetrics: DataLoader<string, EpochMetricsRecord[]>
  /** By run key and what is asked for: one query for all runs that are asked the same. */
  stepMetrics: DataLoader<StepSeriesKey, StepSeriesRecord, string>
  /** By the key of the epoch's metrics. */
  epochClasses: DataLoader<string, EpochClassesRecord | null>
  /** By run key; null where there is nothing to grade. */
  runGrades: DataLoader<string, RunGrade | null>
  /** By key; those that are deleted too. */
  checkpoints: DataLoader<string, CheckpointRecord | null>
  /** By device name. */
  devices: DataLoader<string, DeviceRecord | null>
  runEvents: RunEventService
}

export interface StepSeriesKey {
  runKey: string
  request: StepSeriesRequest
}

export interface ContextSources {
  runEvents: RunEventService
  findRuns(keys: readonly string[]): Promise<RunRecord[]>
  listAttempts(runKeys: readonly string[]): Promise<RunAttemptRecord[]>
  listForks(runKeys: readonly string[]): Promise<{ id: string; forkedFrom: string | null }[]>
  listEpochMetrics(runKeys: readonly string[]): Promise<EpochMetricsRecord[]>
  listStepSeries(runKeys: readonly string[], request: StepSeriesRequest): Promise<Map<string, StepSeriesRecord>>
  findEpochClasses(keys: readonly string[]): Promise<Map<string, EpochClassesRecord>>
  gradeRuns(runKeys: readonly string[]): Promise<Map<string, RunGrade>>
  findCheckpoints(keys: readonly string[]): Promise<CheckpointRecord[]>
  listDevices(): Promise<DeviceRecord[]>
}

const emptySeries: StepSeriesRecord = { steps: 0, points: [] }

/** `cache`: remember rows as long as the context lives; right for one request, wrong for a subscription that stays. */
export function createContext(sources: ContextSources, { cache }: { cache: boolean }): Context {
  /** One by key; null where there is none. */
  const oneByKey = <T>(find: (keys: readonly string[]) => Promise<ReadonlyMap<string, T>>) =>
    new DataLoader<string, T | null>(
      async (keys) => {
        const found = await find(keys)
        return keys.map((key) => found.get(key) ?? null)
      },
      { cache },
    )
  /** All of a key, in the order in which they are listed. */
  const allByKey = <T>(list: (keys: readonly string[]) => Promise<T[]>, keyOf: (record: T) => string | null) =>
    new DataLoader<string, T[]>(
      async (keys) => {
        const found = new Map<string | null, T[]>(keys.map((key) => [key, []]))
        for (const record of await list(keys)) found.get(keyOf(record))?.push(record)
        return keys.map((key) => found.get(key) ?? [])
      },
      { cache },
    )
  return {
    runEvents: sources.runEvents,
    runs: oneByKey(async (keys) => new Map((await sources.findRuns(keys)).map((run) => [run.id, run]))),
    attempts: allByKey(
      (keys) => sources.listAttempts(keys),
      ({ runId }) => runId,
    ),
    forks: allByKey(
      (keys) => sources.listForks(keys),
      ({ forkedFrom }) => forkedFrom,
    ),
    epochMetrics: allByKey(
      (keys) => sources.listEpochMetrics(keys),
      ({ runId }) => runId,
    ),
    stepMetrics: new DataLoader(
      async (keys) => {
        const asked = new Map(keys.map(({ request }) => [JSON.stringify(request), request]))
        const found = new Map(
          await Promise.all(
            [...asked].map(async ([text, request]) => {
              const runKeys = keys.flatMap((key) => (JSON.stringify(key.request) === text ? [key.runKey] : []))
              return [text, await sources.listStepSeries(runKeys, request)] as const
            }),
          ),
        )
        return keys.map(({ runKey, request }) => found.get(JSON.stringify(request))?.get(runKey) ?? emptySeries)
      },
      { cache, cacheKeyFn: ({ runKey, request }) => JSON.stringify([runKey, request]) },
    ),
    epochClasses: oneByKey((keys) => sources.findEpochClasses(keys)),
    runGrades: oneByKey((keys) => sources.gradeRuns(keys)),
    checkpoints: oneByKey(
      async (keys) => new Map((await sources.findCheckpoints(keys)).map((record) => [record.key, record])),
    ),
    devices: oneByKey(async () => new Map((await sources.listDevices()).map((device) => [device.name, device]))),
  }
}
