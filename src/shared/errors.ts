// The one error type that reaches users: what was expected, what came, and what to do next.

/** Every code a user can meet. A code is stable; the words around it are not. */
export const errorCodes = [
  'INVALID_INPUT',
  'NOT_FOUND',
  'CONFLICT',
  'DEVICE_UNAVAILABLE',
  'ENGINE_UNAVAILABLE',
  'ENGINE_FAILED',
  'DATASET_INVALID',
  'DATASET_NOT_FOUND',
  'CHECKPOINT_INVALID',
  'NON_FINITE_LOSS',
  'OUT_OF_MEMORY',
  'DISK_FULL',
  'TRAINER_DIED',
  'TRAINER_UNREACHABLE',
  'TRAINER_STALLED',
  'RUN_DIRECTORY_INVALID',
  'DATABASE_LOCKED',
  'DATABASE_UNAVAILABLE',
  'CONFIG_INVALID',
  'NETWORK',
  'INTERNAL',
] as const
export type ErrorCode = (typeof errorCodes)[number]

export interface ErrorDetails {
  code: ErrorCode
  /** What happened, with what was expected and what came. */
  message: string
  /** The next step, as an imperative sentence. */
  fix: string
  /** Dotted path of the offending input field, where there is one. */
  field?: string | undefined
}

/** An expected failure: safe to show to a user as it is. */
export class TrainqlError extends Error {
  override readonly name = 'TrainqlError'
  readonly code: ErrorCode
  readonly fix: string
  readonly field: string | undefined

  constructor(details: ErrorDetails, options?: ErrorOptions) {
    super(details.message, options)
    this.code = details.code
    this.fix = details.fix
    this.field = details.field
  }
}

export function isTrainqlError(error: unknown): error is TrainqlError {
  return error instanceof TrainqlError
}

/** What a user asked for cannot be: names the field, what was expected and what came, and what to do. */
export function invalidInput(details: Omit<ErrorDetails, 'code'>): TrainqlError {
  return new TrainqlError({ code: 'INVALID_INPUT', ...details })
}
