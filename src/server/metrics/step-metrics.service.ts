// What steps measured, as charts show it.
import type { StepSeriesRecord, StepSeriesRequest } from './step-metrics.record.ts'
import type { StepMetricsStore } from './step-metrics.store.ts'

export interface StepMetricsService {
  /** Of several runs; a run without such steps is absent. */
  listSeries(runIds: readonly string[], request: StepSeriesRequest): Promise<Map<string, StepSeriesRecord>>
}

export function createStepMetricsService(store: StepMetricsStore): StepMetricsService {
  return { listSeries: (runIds, request) => store.listSeries(runIds, request) }
}
