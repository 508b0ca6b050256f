// What a checkpoint file is, and whether a checkpoint's files are as they were written, as GraphQL shows it.
import { Field, Float, Int, ObjectType, registerEnumType } from 'type-graphql'
import { checkpointProblemCodes, type CheckpointProblem as Problem } from '../../shared/checkpoint-tool.ts'
import type { CheckpointFormat, CheckpointLayout } from '../../shared/load-report.ts'
import { enumOf } from '../enum.ts'
import { BigIntScalar } from '../scalars.ts'
import { Checkpoint } from './checkpoint.type.ts'
import { CheckpointFormatEnum, CheckpointLayoutEnum, LoadReport } from './load-report.type.ts'

export const CheckpointProblemCodeEnum = enumOf(checkpointProblemCodes)
registerEnumType(CheckpointProblemCodeEnum, { name: 'CheckpointProblemCode' })

@ObjectType('CheckpointProblem', { description: 'Why a file would not load here, or why it would not in PyTorch.' })
export class CheckpointProblem {
  @Field(() => CheckpointProblemCodeEnum)
  code!: Problem['code']

  @Field(() => Boolean, { description: 'False: worth knowing, and no hindrance here.' })
  blocks!: boolean

  @Field(() => String)
  message!: string

  @Field(() => String)
  fix!: string
}

@ObjectType('CheckpointTensor')
export class CheckpointTensor {
  @Field(() => String)
  name!: string

  @Field(() => String)
  dtype!: string

  @Field(() => [Int])
  shape!: number[]

  @Field(() => String, { description: 'As the file says; it is ignored.' })
  device!: string
}

@ObjectType('CheckpointOptimizer', { description: "An optimiser's state in a file." })
export class CheckpointOptimizer {
  @Field(() => String)
  kind!: string

  @Field(() => Int)
  step!: number

  @Field(() => Int)
  tensors!: number
}

@ObjectType('CheckpointFacts', { description: 'What a training file says of itself.' })
export class CheckpointFacts {
  @Field(() => Int, { nullable: true })
  epoch!: number | null

  @Field(() => String, { nullable: true })
  arch!: string | null

  @Field(() => Float, { nullable: true })
  bestAccuracy!: number | null
}

@ObjectType('CheckpointInspection', { description: 'What a file is, and what would come of importing it.' })
export class CheckpointInspection {
  __typename!: 'CheckpointInspection'

  @Field(() => String, { description: 'Its base name.' })
  file!: string

  @Field(() => BigIntScalar)
  bytes!: bigint

  @Field(() => CheckpointFormatEnum, { nullable: true, description: 'Null where it is no checkpoint of any kind.' })
  format!: CheckpointFormat | null

  @Field(() => CheckpointLayoutEnum, { nullable: true })
  layout!: CheckpointLayout | null

  @Field(() => LoadReport, { nullable: true })
  report!: LoadReport | null

  @Field(() => Boolean, { description: 'Whether it would be imported as it is, strictly.' })
  loads!: boolean

  @Field(() => [CheckpointProblem])
  problems!: CheckpointProblem[]

  @Field(() => BigIntScalar)
  parameters!: bigint

  @Field(() => [CheckpointTensor])
  tensors!: CheckpointTensor[]

  @Field(() => CheckpointOptimizer, { nullable: true })
  optimizer!: CheckpointOptimizer | null

  @Field(() => CheckpointFacts)
  facts!: CheckpointFacts
}

@ObjectType('CheckedFile')
export class CheckedFile {
  @Field(() => String)
  name!: string

  @Field(() => BigIntScalar)
  bytes!: bigint

  @Field(() => Boolean)
  intact!: boolean

  @Field(() => String, { description: 'What was written: its size and sha-256.' })
  expected!: string

  @Field(() => String, { description: 'What is there now.' })
  found!: string
}

@ObjectType('CheckpointVerification', { description: "Whether a checkpoint's files are as they were written." })
export class CheckpointVerification {
  __typename!: 'CheckpointVerification'

  @Field(() => Checkpoint)
  checkpoint!: Checkpoint

  @Field(() => Boolean)
  intact!: boolean

  @Field(() => [CheckedFile])
  files!: CheckedFile[]
}
