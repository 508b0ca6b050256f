// A dataset as GraphQL shows it.
import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql'
import { type DatasetKind, datasetKinds } from '../../shared/datasets.ts'
import { countedConnectionType } from '../connection.type.ts'
import { enumOf } from '../enum.ts'
import { Node } from '../node.type.ts'

export const DatasetKindEnum = enumOf(datasetKinds)
registerEnumType(DatasetKindEnum, { name: 'DatasetKind' })

@ObjectType('Dataset', { implements: Node })
export class Dataset extends Node {
  __typename!: 'Dataset'

  @Field(() => ID)
  override id!: string

  @Field(() => String)
  name!: string

  @Field(() => DatasetKindEnum)
  kind!: DatasetKind

  @Field(() => String)
  description!: string

  @Field(() => Int)
  trainImages!: number

  @Field(() => Int)
  validationImages!: number

  @Field(() => Int)
  channels!: number

  @Field(() => Int, {
    nullable: true,
    description: 'Of every image; null for image folders, whose files are opened by the trainer only.',
  })
  height!: number | null

  @Field(() => Int, { nullable: true, description: 'As height.' })
  width!: number | null

  @Field(() => [String])
  classes!: string[]

  @Field(() => String, { nullable: true, description: 'Folder it was found in; null for a built-in set.' })
  path!: string | null
}

export const DatasetConnection = countedConnectionType<Dataset>('Dataset', () => Dataset)
