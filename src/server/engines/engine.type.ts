// This server, and the engines its machine has, as GraphQL shows them.
import { Field, ObjectType } from 'type-graphql'
import type { Precision } from '../../shared/recipe.ts'
import { PrecisionEnum } from '../runs/recipe.type.ts'
import { DateTimeScalar } from '../scalars.ts'

@ObjectType('EngineInfo')
export class EngineInfo {
  @Field(() => String)
  name!: string

  @Field(() => Boolean)
  available!: boolean

  @Field(() => String)
  detail!: string

  @Field(() => [PrecisionEnum], { description: 'What it computes in here.' })
  precisions!: Precision[]
}

@ObjectType('Server')
export class Server {
  @Field(() => String)
  version!: string

  @Field(() => String)
  dataDirectory!: string

  @Field(() => DateTimeScalar)
  startedAt!: Date
}
