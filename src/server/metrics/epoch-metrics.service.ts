// What epochs measured.
import type { EpochClassesRecord } from './epoch-classes.payload.ts'
import { epochMetricsKey, type EpochMetricsRecord, findEpochMetricsParts } from './epoch-metrics.payload.ts'
import type { EpochMetricsStore } from './epoch-metrics.store.ts'

export interface EpochMetricsService {
  /** By the key behind its global id. */
  find(key: string): Promise<EpochMetricsRecord | null>
  /** Of several runs, each in order of attempt and epoch. */
  list(runIds: readonly string[]): Promise<EpochMetricsRecord[]>
  /** What is known by class, by the keys of the epochs. */
  findClasses(keys: readonly string[]): Promise<Map<string, EpochClassesRecord>>
}

export function createEpochMetricsService(store: EpochMetricsStore): EpochMetricsService {
  return {
    async find(key) {
      const parts = findEpochMetricsParts(key)
      return parts === null ? null : store.find(parts)
    },
    list: (runIds) => store.list(runIds),
    async findClasses(keys) {
      const parts = keys.flatMap((key) => findEpochMetricsParts(key) ?? [])
      return new Map((await store.listClasses(parts)).map((record) => [epochMetricsKey(record), record]))
    },
  }
}
