// Reads the JSON files that a server wrote into a run directory.
import { readFile } from 'node:fs/promises'
import { TrainqlError } from '../shared/errors.ts'

/** @throws TrainqlError `RUN_DIRECTORY_INVALID` where it is absent or no JSON. */
export async function readRunFile(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    throw new TrainqlError(
      {
        code: 'RUN_DIRECTORY_INVALID',
        message: `${file}: expected a JSON file; ${error instanceof Error ? error.message : String(error)}.`,
        fix: 'Name the directory of a run; where it is one, create the run again.',
      },
      { cause: error },
    )
  }
}
