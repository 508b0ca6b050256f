// Top-level GraphQL errors: what the client did wrong is told, and that the database is away; everything else is logged
// whole and masked.
import { randomUUID } from 'node:crypto'
import { GraphQLError, type GraphQLFormattedError } from 'graphql'
import { DatabaseUnavailable, retryAfterMs } from './database/outage.ts'
import type { Log } from './log.ts'
import type { ErrorCode } from '../shared/errors.ts'

/** Codes of errors in the request itself; their messages come from the GraphQL libraries or from our argument checks. */
const requestCodes: ReadonlySet<unknown> = new Set([
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
  'BAD_USER_INPUT',
  'BAD_REQUEST',
  'OPERATION_RESOLUTION_FAILURE',
  'PERSISTED_QUERY_NOT_FOUND',
  'PERSISTED_QUERY_NOT_SUPPORTED',
])

export function createFormatError(
  log: Log,
): (formatted: GraphQLFormattedError, error: unknown) => GraphQLFormattedError {
  return (formatted, error) => {
    const { message, locations, path, extensions } = formatted
    const code = extensions?.['code']
    if (requestCodes.has(code)) return { message, locations, path, extensions: { code } }
    const cause = causeOf(error)
    if (cause instanceof DatabaseUnavailable) return { message: cause.message, locations, path, extensions: away }
    const reference = randomUUID()
    log.error(`Unexpected error ${reference}${path === undefined ? '' : ` at ${path.join('.')}`}`, cause)
    return {
      message: `Unexpected error; the server's log has it under ${reference}.`,
      locations,
      path,
      extensions: { code: 'INTERNAL_SERVER_ERROR', reference },
    }
  }
}

/** What was asked for may have been stored or not: whoever asks again looks first. */
const away = {
  code: 'DATABASE_UNAVAILABLE' satisfies ErrorCode,
  fix: 'Ask again in a moment; after a mutation look first whether it was carried out.',
  retryAfterMs,
}

function causeOf(error: unknown): unknown {
  return error instanceof GraphQLError ? (error.originalError ?? error) : error
}
