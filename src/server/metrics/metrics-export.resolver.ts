// Measurements go out as files: transport only.
import { Arg, Mutation, Resolver } from 'type-graphql'
import { answer } from '../failures/answer.ts'
import { keyOf } from '../node.type.ts'
import { eventCursor } from '../runs/run.payload.ts'
import { ExportMetricsInput, type ExportMetricsResult, ExportMetricsResultUnion } from './metrics-export.input.ts'
import type { MetricsExportService } from './metrics-export.service.ts'

@Resolver()
export class MetricsExportResolver {
  constructor(private readonly exports: MetricsExportService) {}

  @Mutation(() => ExportMetricsResultUnion, {
    description: 'Gives a URL of every step or epoch of a run, each number as it was measured.',
  })
  exportMetrics(@Arg('input', () => ExportMetricsInput) input: ExportMetricsInput): Promise<ExportMetricsResult> {
    return answer(['NotFoundFailure'], async () => {
      const { runId, ...options } = input
      const { upTo, ...download } = await this.exports.create(keyOf('Run', runId), options)
      return { __typename: 'MetricsDownload', ...download, upTo: upTo === 0 ? null : eventCursor(upTo) }
    })
  }
}
