// A checkpoint as GraphQL shows it.
import { Field, ID, Int, ObjectType } from 'type-graphql'
import { countedConnectionType } from '../connection.type.ts'
import { Node } from '../node.type.ts'
import { BigIntScalar, DateTimeScalar } from '../scalars.ts'

@ObjectType('Checkpoint', { implements: Node })
export class Checkpoint extends Node {
  __typename!: 'Checkpoint'
  /** Key of the run, for the field `run`. */
  runKey!: string

  @Field(() => ID)
  override id!: string

  @Field(() => ID)
  runId!: string

  @Field(() => Int)
  attempt!: number

  @Field(() => String)
  name!: string

  @Field(() => Int)
  epoch!: number

  @Field(() => Int)
  step!: number

  @Field(() => BigIntScalar)
  bytes!: bigint

  @Field(() => String, { description: 'sha-256 of the weights file.' })
  sha256!: string

  @Field(() => String, { description: 'Folder on the server.' })
  path!: string

  @Field(() => DateTimeScalar)
  createdAt!: Date
}

export const CheckpointConnection = countedConnectionType<Checkpoint>('Checkpoint', () => Checkpoint)
