// Whether an attempt still counts. A trainer that was taken for dead and comes back must not write into what is another's.
import { existsSync, statSync } from 'node:fs'
import { attemptFile, fenceFile, lockFile } from '../shared/run-directory.ts'

/** Nothing was written behind the fence by whoever threw it, and nothing is to be. */
export class FencedError extends Error {
  override readonly name = 'FencedError'

  constructor(attempt: number) {
    super(`Attempt ${attempt} is over: a newer one has begun, the server has given it up, or its run is gone.`)
  }
}

/** True once the server has begun a newer attempt, or has written that this one is over. */
export function isFenced(directory: string, attempt: number): boolean {
  return existsSync(fenceFile(directory, attempt)) || existsSync(attemptFile(directory, attempt + 1))
}

/** For who holds the attempt: fenced, or the run's directory was removed, and nobody will find what is written there. */
export function isDisowned(directory: string, attempt: number): boolean {
  return isFenced(directory, attempt) || isGone(lockFile(directory, attempt))
}

/** False where it cannot be told: a file system that is away for a moment is no reason to give up. */
function isGone(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) === undefined
  } catch {
    return false
  }
}

/** @throws FencedError */
export function checkFence(directory: string, attempt: number): void {
  if (isDisowned(directory, attempt)) throw new FencedError(attempt)
}
