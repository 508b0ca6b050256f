// Top-level GraphQL errors: what the client did wrong is told, everything else is logged whole and masked.
import { randomUUID } from 'node:crypto'
import { GraphQLError, type GraphQLFormattedError } from 'graphql'
import type { Log } from './log.ts'

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
    const reference = randomUUID()
    log.error(`Unexpected error ${reference}${path === undefined ? '' : ` at ${path.join('.')}`}`, causeOf(error))
    return {
      message: `Unexpected error; the server's log has it under ${reference}.`,
      locations,
      path,
      extensions: { code: 'INTERNAL_SERVER_ERROR', reference },
    }
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof GraphQLError ? (error.originalError ?? error) : error
}
