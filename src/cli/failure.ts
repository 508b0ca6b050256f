// What a command fails with when the reason is known: told in words with the next step, never with a stack.

export class CliFailure extends Error {
  override readonly name = 'CliFailure'
  readonly fix: string

  constructor(message: string, fix: string, options?: ErrorOptions) {
    super(message, options)
    this.fix = fix
  }
}

/** Any error that carries a `fix`: ours, the SDK's. */
export function isExplained(error: unknown): error is Error & { fix: string } {
  return error instanceof Error && 'fix' in error && typeof error.fix === 'string'
}
