// Values that left the finite numbers: the error that stops a run, and what JSON says for them.
import { TrainqlError } from '../shared/errors.ts'

/** @param step Global step. */
export function nonFinite(what: string, step: number): TrainqlError {
  return new TrainqlError({
    code: 'NON_FINITE_LOSS',
    message: `Training diverged at step ${step}: ${what}.`,
    fix: 'Lower the learning rate, or continue from an earlier checkpoint.',
  })
}

/** JSON has no NaN and no infinity: null stands for them. */
export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
