// Turns expected errors into payloads, in the one place where a mutation or subscription meets them.
import { isTrainqlError } from '../../shared/errors.ts'
import { type AnyFailure, type FailureTypeName, findFailure } from './failure.type.ts'

/** Runs an operation; an expected error of one of the allowed types becomes its value, every other is thrown on. */
export async function answer<T, N extends FailureTypeName>(
  allowed: readonly N[],
  operation: () => Promise<T>,
): Promise<T | Extract<AnyFailure, { __typename: N }>> {
  try {
    return await operation()
  } catch (error) {
    const failure = isTrainqlError(error) ? findFailure(error) : null
    if (failure !== null && isOneOf(failure, allowed)) return failure
    throw error
  }
}

function isOneOf<N extends FailureTypeName>(
  failure: AnyFailure,
  allowed: readonly N[],
): failure is Extract<AnyFailure, { __typename: N }> {
  return allowed.some((name) => name === failure.__typename)
}
