// Where an export may be written: into a folder that is there, and never into a checkpoint, whose files are hashed.
import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { invalidInput, TrainqlError } from '../../../shared/errors.ts'
import { isDiskFull } from '../../disk.ts'
import { manifestFile } from '../manifest.ts'

/** @throws TrainqlError `INVALID_INPUT` */
export function checkDestination(out: string): void {
  const folder = dirname(out)
  const expected = (what: string, got: string, fix: string): TrainqlError =>
    invalidInput({ field: 'out', message: `Expected ${what}; ${got}.`, fix })
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw expected('a file in a folder that is there', `${folder} is no folder`, `Make the folder ${folder} first.`)
  if (statSync(out, { throwIfNoEntry: false })?.isDirectory() === true)
    throw expected('the name of a file', `${out} is a folder`, 'Name a file in it.')
  if (existsSync(join(folder, manifestFile)))
    throw expected('a file outside of checkpoints', `${folder} is a checkpoint`, 'Write the export to another folder.')
}

/** What went wrong while writing, in the user's words where it is the user's to mend. */
export function writingFailed(error: unknown, out: string): Error {
  if (isDiskFull(error)) {
    return new TrainqlError(
      {
        code: 'DISK_FULL',
        message: `Expected room to write ${out}; the disk or the quota is full.`,
        fix: 'Free some space, or write to another disk.',
      },
      { cause: error },
    )
  }
  if (error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EROFS')) {
    return invalidInput({
      field: 'out',
      message: `Expected to be allowed to write ${out}; ${error.message}.`,
      fix: 'Write to a folder that is yours.',
    })
  }
  return error instanceof Error ? error : new Error(String(error), { cause: error })
}
