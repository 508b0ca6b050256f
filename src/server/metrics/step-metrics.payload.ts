// A run's steps as their GraphQL type shows them.
import type { StepSeriesRecord } from './step-metrics.record.ts'
import type { StepMetrics } from './step-metrics.type.ts'

export function stepMetricsPayload({ steps, points }: StepSeriesRecord): StepMetrics {
  return {
    steps,
    thinned: points.length < steps,
    points: points.map(({ cursor: _, ...point }) => point),
  }
}
