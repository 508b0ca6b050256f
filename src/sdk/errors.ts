// What the SDK throws: three kinds of trouble, each with a stable code and the next step.
import type { LoadReportFieldsFragment, RunFieldsFragment } from './generated/operations.ts'

export interface ClientErrorDetails {
  /** Stable; the words around it are not. */
  code: string
  message: string
  /** The next step, as an imperative sentence. */
  fix: string
}

/** Base of every error the SDK throws, aborts aside: those reject with the reason of the caller's signal. */
export abstract class TrainqlClientError extends Error {
  readonly code: string
  readonly fix: string

  constructor(details: ClientErrorDetails, options?: ErrorOptions) {
    super(details.message, options)
    this.code = details.code
    this.fix = details.fix
  }
}

export type CurrentRun = Pick<RunFieldsFragment, 'id' | 'state' | 'version' | 'allowedActions'>

/** The server understood and declined: a wrong input, something absent, a conflict with the present state. */
export class TrainqlFailure extends TrainqlClientError {
  override readonly name = 'TrainqlFailure'
  /** Dotted path of the input field that is wrong, where there is one. */
  readonly field: string | undefined
  /** GraphQL type of the failure, such as `InvalidInputFailure`. */
  readonly type: string
  /** Of a conflict: the run that did not allow what was asked of it, as it is now. */
  readonly currentRun: CurrentRun | undefined

  constructor(
    details: ClientErrorDetails & {
      field?: string | null | undefined
      type: string
      currentRun?: CurrentRun | null | undefined
    },
    options?: ErrorOptions,
  ) {
    super(details, options)
    this.field = details.field ?? undefined
    this.type = details.type
    this.currentRun = details.currentRun ?? undefined
  }
}

/** A checkpoint file whose tensors do not fit the model: the report names them. Code `CHECKPOINT_INVALID`. */
export class TrainqlLoadRefused extends TrainqlFailure {
  readonly report: LoadReportFieldsFragment

  constructor(details: ClientErrorDetails & { type: string; report: LoadReportFieldsFragment }) {
    super(details)
    this.report = details.report
  }
}

export type Refusal = ClientErrorDetails & {
  __typename: string
  field?: string | null
  currentRun?: CurrentRun | null
  loadReport?: LoadReportFieldsFragment
}

/** The error of an operation whose result is a failure. */
export function failureOf({ __typename: type, loadReport, ...details }: Refusal): TrainqlFailure {
  return loadReport === undefined
    ? new TrainqlFailure({ ...details, type })
    : new TrainqlLoadRefused({ ...details, type, report: loadReport })
}

/** What was asked for is not there. */
export function notFound(what: string, key: string, fix: string): TrainqlFailure {
  const message = `There is no ${what} "${key}" on this server.`
  return new TrainqlFailure({ type: 'NotFoundFailure', code: 'NOT_FOUND', message, fix })
}

/** The server was not reached, or what answered was not a TrainQL server. Code `NETWORK`. */
export class TrainqlNetworkError extends TrainqlClientError {
  override readonly name = 'TrainqlNetworkError'
  readonly url: string
  /** HTTP status or WebSocket close code, where there was one. */
  readonly status: number | undefined
  /** When the server said to come back; event streams and `waitForRun` do so by themselves. */
  readonly retryAfterMs: number | undefined

  constructor(
    details: {
      message: string
      fix: string
      url: string
      status?: number | undefined
      retryAfterMs?: number | undefined
    },
    options?: ErrorOptions,
  ) {
    super({ code: 'NETWORK', message: details.message, fix: details.fix }, options)
    this.url = details.url
    this.status = details.status
    this.retryAfterMs = details.retryAfterMs
  }
}

export interface GraphqlErrorShape {
  message: string
  path?: readonly (string | number)[]
  locations?: readonly { line: number; column: number }[]
  extensions?: Record<string, unknown>
}

/** Top-level GraphQL errors: a document the server does not accept, or a defect in the server. */
export class TrainqlGraphqlError extends TrainqlClientError {
  override readonly name = 'TrainqlGraphqlError'
  readonly errors: readonly GraphqlErrorShape[]

  constructor(errors: readonly GraphqlErrorShape[]) {
    const code = errors.map(({ extensions }) => extensions?.['code']).find((value) => typeof value === 'string')
    super({
      code: code ?? 'INTERNAL',
      message: errors.map(({ message }) => message).join('; ') || 'The server answered with an empty list of errors.',
      fix: isDocumentProblem(code)
        ? 'Use an SDK of the same version as the server, or correct the document and its variables.'
        : "Read the server's log for the cause.",
    })
    this.errors = errors
  }
}

function isDocumentProblem(code: string | undefined): boolean {
  return code === 'GRAPHQL_VALIDATION_FAILED' || code === 'GRAPHQL_PARSE_FAILED' || code === 'BAD_USER_INPUT'
}
