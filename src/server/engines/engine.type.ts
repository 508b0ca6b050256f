// This server, and the engines its machine has, as GraphQL shows them.
import { Field, ObjectType } from 'type-graphql'
import { DateTimeScalar } from '../scalars.ts'

@ObjectType('EngineInfo')
export class EngineInfo {
  @Field(() => String)
  name!: string

  @Field(() => Boolean)
  available!: boolean

  @Field(() => String)
  detail!: string
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
