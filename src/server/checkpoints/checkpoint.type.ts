// A checkpoint as GraphQL shows it.
import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql'
import type { CheckpointFormat, CheckpointLayout } from '../../shared/load-report.ts'
import type { Architecture } from '../../shared/run-spec.ts'
import { countedConnectionType } from '../connection.type.ts'
import { enumOf } from '../enum.ts'
import { ArchitectureEnum } from '../models/architecture.type.ts'
import { Node } from '../node.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'
import { type CheckpointOrigin, checkpointOrigins } from './checkpoint.record.ts'
import { CheckpointFormatEnum, CheckpointLayoutEnum, LoadReport } from './load-report.type.ts'

export const CheckpointOriginEnum = enumOf(checkpointOrigins)
registerEnumType(CheckpointOriginEnum, { name: 'CheckpointOrigin' })

@ObjectType('ImportSource', { description: 'The file that an imported checkpoint was made of.' })
export class ImportSource {
  @Field(() => String)
  file!: string

  @Field(() => String)
  sha256!: string

  @Field(() => CheckpointFormatEnum)
  format!: CheckpointFormat

  @Field(() => CheckpointLayoutEnum)
  layout!: CheckpointLayout

  @Field(() => String, { description: 'Taken off the front of every name, such as `module.`; else empty.' })
  strippedPrefix!: string
}

@ObjectType('Checkpoint', { implements: Node })
export class Checkpoint extends Node {
  __typename!: 'Checkpoint'
  /** Key of the run, for the field `run`; null of an import. */
  runKey!: string | null
  /** Key of the checkpoint it came from, for the field `parent`. */
  parentKey!: string | null

  @Field(() => ID)
  override id!: string

  @Field(() => String, { description: 'Its name on disk and in run specs: `<run>/<name>`, or `imported/<id>`.' })
  reference!: string

  @Field(() => CheckpointOriginEnum)
  origin!: CheckpointOrigin

  @Field(() => ID, { nullable: true, description: 'Null where it was imported.' })
  runId!: string | null

  @Field(() => Int, { nullable: true, description: 'Null where it was imported.' })
  attempt!: number | null

  @Field(() => String)
  name!: string

  @Field(() => Int)
  epoch!: number

  @Field(() => Int)
  step!: number

  @Field(() => ArchitectureEnum)
  architecture!: Architecture

  @Field(() => Int, { nullable: true, description: 'Null where an earlier version did not say.' })
  classes!: number | null

  @Field(() => Int, { nullable: true, description: 'Null where an earlier version did not say.' })
  inputChannels!: number | null

  @Field(() => Boolean, { description: "Whether the optimiser's state is beside the weights." })
  hasOptimizer!: boolean

  @Field(() => Boolean, { description: 'Kept from every clearing up until it is unpinned.' })
  pinned!: boolean

  @Field(() => BigIntScalar)
  bytes!: bigint

  @Field(() => String, { description: 'sha-256 of the weights file.' })
  sha256!: string

  @Field(() => String, { description: 'Folder on the server.' })
  path!: string

  @Field(() => ImportSource, { nullable: true })
  importedFrom!: ImportSource | null

  @Field(() => LoadReport, { nullable: true, description: 'Of an imported one: what was taken from the file.' })
  loadReport!: LoadReport | null

  @Field(() => DateTimeScalar)
  createdAt!: Date

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When its files were removed; it is in no list any more.',
  })
  deletedAt!: Date | null
}

export const CheckpointConnection = countedConnectionType<Checkpoint>('Checkpoint', () => Checkpoint)
