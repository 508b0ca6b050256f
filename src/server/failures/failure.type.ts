// Expected failures as members of a mutation's union: what happened, and what to do next.
import { Field, InterfaceType, ObjectType } from 'type-graphql'
import type { ErrorCode, TrainqlError } from '../../shared/errors.ts'
import { LoadRefusal } from '../checkpoints/load-refusal.ts'
import { LoadReport } from '../checkpoints/load-report.type.ts'
import { RunConflict } from '../runs/run-conflict.ts'

export type FailureTypeName = 'InvalidInputFailure' | 'NotFoundFailure' | 'ConflictFailure' | 'LoadRefusedFailure'

@InterfaceType('Failure', {
  description: 'An expected failure: what happened and what to do next.',
  resolveType: (value: { __typename: FailureTypeName }) => value.__typename,
})
export abstract class Failure {
  @Field(() => String)
  code!: string

  @Field(() => String)
  message!: string

  @Field(() => String)
  fix!: string
}

@ObjectType('InvalidInputFailure', { implements: Failure })
export class InvalidInputFailure extends Failure {
  __typename!: 'InvalidInputFailure'

  @Field(() => String, { nullable: true, description: 'Dotted path of the input field.' })
  field!: string | null
}

@ObjectType('NotFoundFailure', { implements: Failure })
export class NotFoundFailure extends Failure {
  __typename!: 'NotFoundFailure'
}

@ObjectType('ConflictFailure', { implements: Failure })
export class ConflictFailure extends Failure {
  __typename!: 'ConflictFailure'
  /** Of the run that was not as it had to be, for the field `currentRun`; null: none. */
  runKey!: string | null
}

@ObjectType('LoadRefusedFailure', {
  implements: Failure,
  description: 'A checkpoint file does not fit the model; the report says which tensors do not.',
})
export class LoadRefusedFailure extends Failure {
  __typename!: 'LoadRefusedFailure'

  @Field(() => LoadReport)
  loadReport!: LoadReport
}

export type AnyFailure = InvalidInputFailure | NotFoundFailure | ConflictFailure | LoadRefusedFailure

/** The failure a client sees for an expected error; null for a code that no client can cause, which is a bug's. */
export function findFailure(error: TrainqlError): AnyFailure | null {
  const { code, message, fix, field } = error
  if (error instanceof LoadRefusal)
    return { __typename: 'LoadRefusedFailure', code, message, fix, loadReport: error.report }
  const typeName = failureTypeOf(code)
  switch (typeName) {
    case null:
      return null
    case 'InvalidInputFailure':
      return { __typename: typeName, code, message, fix, field: field ?? null }
    case 'ConflictFailure':
      return { __typename: typeName, code, message, fix, runKey: error instanceof RunConflict ? error.runId : null }
    case 'NotFoundFailure':
      return { __typename: typeName, code, message, fix }
    default:
      return typeName satisfies never
  }
}

function failureTypeOf(code: ErrorCode): Exclude<FailureTypeName, 'LoadRefusedFailure'> | null {
  switch (code) {
    case 'INVALID_INPUT':
    case 'DATASET_INVALID':
    case 'CHECKPOINT_INVALID':
      return 'InvalidInputFailure'
    case 'NOT_FOUND':
    case 'DATASET_NOT_FOUND':
      return 'NotFoundFailure'
    case 'CONFLICT':
    case 'DEVICE_UNAVAILABLE':
    case 'ENGINE_UNAVAILABLE':
    case 'DISK_FULL':
    // Of the checkpoint process, and of weights to be fetched.
    case 'OUT_OF_MEMORY':
    case 'NETWORK':
      return 'ConflictFailure'
    case 'ENGINE_FAILED':
    case 'NON_FINITE_LOSS':
    case 'TRAINER_DIED':
    case 'TRAINER_UNREACHABLE':
    case 'TRAINER_STALLED':
    case 'RUN_DIRECTORY_INVALID':
    case 'DATABASE_LOCKED':
    case 'DATABASE_UNAVAILABLE':
    case 'CONFIG_INVALID':
    case 'INTERNAL':
      return null
    default:
      return code satisfies never
  }
}
