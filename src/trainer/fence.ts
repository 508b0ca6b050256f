// Whether an attempt still counts. A trainer that was taken for dead and comes back must not write into what is another's.
import { existsSync } from 'node:fs'
import { attemptFile, fenceFile } from '../shared/run-directory.ts'

/** Nothing was written behind the fence by whoever threw it, and nothing is to be. */
export class FencedError extends Error {
  override readonly name = 'FencedError'

  constructor(attempt: number) {
    super(`Attempt ${attempt} is over: a newer one has begun, or the server has given it up.`)
  }
}

/** True once the server has begun a newer attempt, or has written that this one is over. */
export function isFenced(directory: string, attempt: number): boolean {
  return existsSync(fenceFile(directory, attempt)) || existsSync(attemptFile(directory, attempt + 1))
}

/** @throws FencedError */
export function checkFence(directory: string, attempt: number): void {
  if (isFenced(directory, attempt)) throw new FencedError(attempt)
}
