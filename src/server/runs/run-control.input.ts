// What comes back of what is asked of a run that is there.
import { createUnionType, Field, ObjectType } from 'type-graphql'
import { ConflictFailure, InvalidInputFailure, NotFoundFailure } from '../failures/failure.type.ts'
import { Run } from './run.type.ts'

@ObjectType('PauseRunSuccess')
export class PauseRunSuccess {
  __typename!: 'PauseRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type PauseRunResult = PauseRunSuccess | NotFoundFailure | ConflictFailure

export const PauseRunResultUnion = createUnionType({
  name: 'PauseRunResult',
  types: () => [PauseRunSuccess, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: PauseRunResult) => value.__typename,
})

@ObjectType('ResumeRunSuccess')
export class ResumeRunSuccess {
  __typename!: 'ResumeRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type ResumeRunResult = ResumeRunSuccess | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const ResumeRunResultUnion = createUnionType({
  name: 'ResumeRunResult',
  types: () => [ResumeRunSuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: ResumeRunResult) => value.__typename,
})

@ObjectType('CancelRunSuccess')
export class CancelRunSuccess {
  __typename!: 'CancelRunSuccess'

  @Field(() => Run)
  run!: Run
}

export type CancelRunResult = CancelRunSuccess | NotFoundFailure | ConflictFailure

export const CancelRunResultUnion = createUnionType({
  name: 'CancelRunResult',
  types: () => [CancelRunSuccess, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: CancelRunResult) => value.__typename,
})

@ObjectType('SetRunPrioritySuccess')
export class SetRunPrioritySuccess {
  __typename!: 'SetRunPrioritySuccess'

  @Field(() => Run)
  run!: Run
}

export type SetRunPriorityResult = SetRunPrioritySuccess | InvalidInputFailure | NotFoundFailure | ConflictFailure

export const SetRunPriorityResultUnion = createUnionType({
  name: 'SetRunPriorityResult',
  types: () => [SetRunPrioritySuccess, InvalidInputFailure, NotFoundFailure, ConflictFailure] as const,
  resolveType: (value: SetRunPriorityResult) => value.__typename,
})
