// The client's methods for what runs measured: charts, epochs, and files of every number.
import type { CheckpointMethodDeps } from './checkpoints.ts'
import type { CallOptions } from './client.ts'
import { failureOf, notFound } from './errors.ts'
import * as operations from './generated/operations.ts'
import type { ExportMetricsInput } from './generated/schema.ts'
import { getBytes } from './transfer.ts'

export type EpochMetrics = operations.EpochMetricsFieldsFragment
export type StepMetrics = operations.StepMetricsQuery['stepMetrics']
/** The measurements of an epoch with what its validation gave by class. */
export type Evaluation = operations.EvaluationFieldsFragment
/** Where a file of measurements can be fetched; `url` is relative to the server. */
export type MetricsDownload = Omit<
  Extract<operations.ExportMetricsMutation['exportMetrics'], { __typename: 'MetricsDownload' }>,
  '__typename'
>

export interface StepMetricsOptions extends CallOptions, Omit<operations.StepMetricsQueryVariables, 'runId'> {}

export interface ExportMetricsOptions extends CallOptions, Omit<ExportMetricsInput, 'runId'> {}

export interface MetricsMethods {
  /** One entry for each finished epoch, in order. */
  epochMetrics(runId: string, options?: CallOptions): Promise<EpochMetrics[]>
  /** A run's steps, thinned by the server to `maxPoints` (default 1000): spikes and losses that are not finite stay. */
  stepMetrics(runId: string, options?: StepMetricsOptions): Promise<StepMetrics>
  /**
   * What the validation of an epoch gave by class; `id` is that of its `EpochMetrics`. `confusions`: how many of the most
   * frequent ones, default 10.
   * @throws TrainqlFailure `NOT_FOUND`
   */
  evaluation(id: string, options?: CallOptions & { confusions?: number }): Promise<Evaluation>
  /**
   * A URL, good for a day, of every step (or epoch) that the run has measured so far; JSONL by default. It gives the same
   * bytes each time, whatever the run does meanwhile.
   * @throws TrainqlFailure `NOT_FOUND`
   */
  exportMetrics(runId: string, options?: ExportMetricsOptions): Promise<MetricsDownload>
  /**
   * The bytes of such a file as they come; leaving the loop ends the transfer. It throws where they end too early.
   * @throws TrainqlFailure `FORBIDDEN` where the URL has expired, `NOT_FOUND` where the run is gone; TrainqlNetworkError
   */
  readMetrics(download: Pick<MetricsDownload, 'url'>, options?: CallOptions): AsyncIterable<Uint8Array>
}

export function metricsMethods({
  send,
  transfer,
  signalOf,
}: Pick<CheckpointMethodDeps, 'send' | 'transfer' | 'signalOf'>): MetricsMethods {
  return {
    epochMetrics: async (runId, call) => (await send(operations.EpochMetricsDocument, { runId }, call)).epochMetrics,
    stepMetrics: async (runId, { signal, ...variables } = {}) =>
      (await send(operations.StepMetricsDocument, { runId, ...variables }, { signal })).stepMetrics,
    async evaluation(id, { confusions = 10, ...call } = {}) {
      const { node } = await send(operations.EvaluationDocument, { id, confusions }, call)
      if (node?.__typename !== 'EpochMetrics')
        throw notFound('epoch', id, 'Take the id of one of the entries of client.epochMetrics().')
      const { __typename, ...evaluation } = node
      return evaluation
    },
    async exportMetrics(runId, { signal, ...options } = {}) {
      const { exportMetrics } = await send(
        operations.ExportMetricsDocument,
        { input: { ...options, runId } },
        { signal },
      )
      if (exportMetrics.__typename !== 'MetricsDownload') throw failureOf(exportMetrics)
      const { __typename, ...download } = exportMetrics
      return download
    },
    readMetrics: ({ url }, call = {}) => getBytes(transfer, url, signalOf(call)),
  }
}
