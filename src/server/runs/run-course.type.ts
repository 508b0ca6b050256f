// What became of a run's attempts, and what is done about them, as GraphQL shows it.
import { Field, Float, Int, ObjectType } from 'type-graphql'
import { DateTimeScalar } from '../scalars.ts'

@ObjectType('Retry', { description: 'What is done about an attempt that ended by what may pass.' })
export class Retry {
  @Field(() => Int, { description: 'Trainers started before somebody has to ask again, the first included.' })
  maxAttempts!: number

  @Field(() => Float, { description: 'Before the first new attempt; twice as long before each next one.' })
  backoffSeconds!: number

  @Field(() => Float, { description: 'A trainer that is silent for so long is given up.' })
  unreachableSeconds!: number

  @Field(() => Float, {
    nullable: true,
    description: 'A replica that does not move for so long ends the attempt; null: it is only told of.',
  })
  stalledSeconds!: number | null
}

@ObjectType('ReplicaStall', { description: 'A replica that does not move while its trainer lives.' })
export class ReplicaStall {
  @Field(() => Int)
  replica!: number

  @Field(() => String)
  device!: string

  @Field(() => Int, { description: 'Global steps that it has done.' })
  step!: number

  @Field(() => DateTimeScalar, { description: 'When it was found to stand still.' })
  since!: Date
}

@ObjectType('RunAttempt', { description: "One trainer's turn at a run." })
export class RunAttempt {
  @Field(() => Int, { description: 'From 1.' })
  number!: number

  @Field(() => [String])
  deviceNames!: string[]

  @Field(() => DateTimeScalar)
  leasedAt!: Date

  @Field(() => DateTimeScalar, { nullable: true, description: 'Null: it has not begun to train, or never did.' })
  startedAt!: Date | null

  @Field(() => Int, {
    nullable: true,
    description: 'Global steps that were done before it. What earlier attempts measured behind them is superseded.',
  })
  startStep!: number | null

  @Field(() => DateTimeScalar, { nullable: true, description: 'Null: it holds its devices.' })
  releasedAt!: Date | null

  @Field(() => String, {
    nullable: true,
    description: 'Of the engine or a device, by which its trainer died: a signal or an error code.',
  })
  fault!: string | null
}
