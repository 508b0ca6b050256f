// What clients ask of a file of measurements, and what they get back.
import { createUnionType, Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql'
import { enumOf } from '../enum.ts'
import { NotFoundFailure } from '../failures/failure.type.ts'
import { DateTimeScalar } from '../scalars.ts'
import { type MetricsFormat, metricsFormats, type MetricsKind, metricsKinds } from './metrics-file.ts'

export const MetricsKindEnum = enumOf(metricsKinds)
registerEnumType(MetricsKindEnum, {
  name: 'MetricsKind',
  description: 'What was measured at each step, or each epoch.',
})
export const MetricsFormatEnum = enumOf(metricsFormats)
registerEnumType(MetricsFormatEnum, {
  name: 'MetricsFormat',
  description: 'JSONL: an object a line. CSV: a line of names, then a line a row.',
})

@InputType('ExportMetricsInput')
export class ExportMetricsInput {
  @Field(() => ID)
  runId!: string

  @Field(() => MetricsKindEnum, { defaultValue: 'STEPS' })
  kind!: MetricsKind

  @Field(() => MetricsFormatEnum, { defaultValue: 'JSONL' })
  format!: MetricsFormat

  @Field(() => Boolean, {
    defaultValue: true,
    description: 'Also rows that a later attempt has trained anew; the column `superseded` tells them.',
  })
  includeSuperseded!: boolean
}

@ObjectType('MetricsDownload', { description: 'A file of everything that a run has measured so far.' })
export class MetricsDownload {
  __typename!: 'MetricsDownload'

  @Field(() => String, { description: 'Path and query on this server: GET gives the same bytes each time.' })
  url!: string

  @Field(() => String)
  fileName!: string

  @Field(() => MetricsKindEnum)
  kind!: MetricsKind

  @Field(() => MetricsFormatEnum)
  format!: MetricsFormat

  @Field(() => Boolean)
  includeSuperseded!: boolean

  @Field(() => String, {
    nullable: true,
    description: 'Cursor of the last event that it covers: what the run measures later is not in it. Null: none.',
  })
  upTo!: string | null

  @Field(() => DateTimeScalar)
  expiresAt!: Date
}

export type ExportMetricsResult = MetricsDownload | NotFoundFailure
export const ExportMetricsResultUnion = createUnionType({
  name: 'ExportMetricsResult',
  types: () => [MetricsDownload, NotFoundFailure] as const,
  resolveType: (value: ExportMetricsResult) => value.__typename,
})
