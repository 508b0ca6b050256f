// What the trainer's exit code says, in one table: the same number stands in `exit.<n>.json` and in the process status.
import type { ErrorCode } from './errors.ts'

export const exitCodes = {
  /** Every epoch done. */
  finished: 0,
  /** The spec, the attempt, the dataset or the checkpoint to resume from cannot be used. */
  badInput: 2,
  /** No engine here serves the run's devices, or computes in its precision. */
  engineUnavailable: 3,
  /** The loss or the weights left the finite numbers. */
  nonFinite: 4,
  /** The run directory's disk is full. */
  diskFull: 5,
  /** Another process owns, or owned, this attempt; nothing was written. */
  notOwner: 6,
  outOfMemory: 7,
  /** A newer attempt has begun, or the server has given this one up: nothing more was written. */
  fenced: 8,
  /** The engine, or one of its replicas, failed while it computed. */
  engineFailed: 9,
  /** A bug: the log has the stack. */
  internal: 70,
  /** Left on SIGTERM after its checkpoint (128 + 15, as shells count). */
  stopped: 143,
} as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export function exitCodeOf(code: ErrorCode): ExitCode {
  switch (code) {
    case 'INVALID_INPUT':
    case 'NOT_FOUND':
    case 'RUN_DIRECTORY_INVALID':
    case 'CONFIG_INVALID':
    case 'DATASET_INVALID':
    case 'DATASET_NOT_FOUND':
    case 'CHECKPOINT_INVALID':
      return exitCodes.badInput
    case 'ENGINE_UNAVAILABLE':
    case 'DEVICE_UNAVAILABLE':
      return exitCodes.engineUnavailable
    case 'ENGINE_FAILED':
      return exitCodes.engineFailed
    case 'NON_FINITE_LOSS':
      return exitCodes.nonFinite
    case 'DISK_FULL':
      return exitCodes.diskFull
    case 'CONFLICT':
      return exitCodes.notOwner
    case 'OUT_OF_MEMORY':
      return exitCodes.outOfMemory
    case 'TRAINER_DIED':
    case 'TRAINER_UNREACHABLE':
    case 'TRAINER_STALLED':
    case 'DATABASE_LOCKED':
    case 'DATABASE_UNAVAILABLE':
    case 'NETWORK':
    case 'INTERNAL':
      return exitCodes.internal
    default:
      return code satisfies never
  }
}
