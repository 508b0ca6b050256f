// A run directory that holds what nobody writes there: the error that says so, how it is told from others, and as a value.
import { basename } from 'node:path'
import { isTrainqlError, TrainqlError } from '../../shared/errors.ts'

/** @param what was expected of the file, and what was found */
export function invalidFile(file: string, what: string, fix: string): TrainqlError {
  return new TrainqlError({ code: 'RUN_DIRECTORY_INVALID', message: `${basename(file)}: ${what}`, fix })
}

export function isInvalidDirectory(error: unknown): error is TrainqlError {
  return isTrainqlError(error) && error.code === 'RUN_DIRECTORY_INVALID'
}

/** What the action found wrong with the run's directory; null: nothing. Any other error is thrown on. */
export async function findInvalid(action: () => Promise<unknown>): Promise<TrainqlError | null> {
  try {
    await action()
    return null
  } catch (error) {
    if (isInvalidDirectory(error)) return error
    throw error
  }
}
