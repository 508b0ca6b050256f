// Files that commands are asked to write.
import { existsSync } from 'node:fs'
import { CliFailure } from './failure.ts'

/** For before the work: what would be refused behind it was read for nothing. */
export function refuseToReplace(file: string, fix = 'Name another.'): void {
  if (existsSync(file)) throw new CliFailure(`${file} exists already.`, fix)
}
