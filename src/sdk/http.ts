// Queries and mutations: one POST each, with every way it can go wrong made a typed error.
import { TrainqlGraphqlError, TrainqlNetworkError, type GraphqlErrorShape } from './errors.ts'
import { requestBody } from './variables.ts'

export type Fetch = (input: string, init: RequestInit) => Promise<Response>

export interface HttpOptions {
  url: string
  fetch: Fetch
  /** Asked again before each request. */
  headers: () => Record<string, string>
  timeoutMs: number
}

export interface GraphqlRequest {
  query: string
  variables?: Record<string, unknown> | undefined
  operationName?: string | undefined
}

/**
 * Sends one operation and returns its `data`.
 * @throws TrainqlNetworkError where no GraphQL answer came back
 * @throws TrainqlGraphqlError on top-level errors
 * @throws TrainqlFailure `INVALID_INPUT` for a variable that is NaN or infinite
 * @throws the signal's reason once it is aborted
 */
export async function post(options: HttpOptions, request: GraphqlRequest, signal?: AbortSignal): Promise<unknown> {
  signal?.throwIfAborted()
  const body = requestBody(request)
  const timeout = AbortSignal.timeout(options.timeoutMs)
  let response: Response
  let text: string
  try {
    response = await options.fetch(options.url, {
      method: 'POST',
      headers: {
        ...options.headers(),
        'content-type': 'application/json',
        accept: 'application/graphql-response+json, application/json',
      },
      body,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    })
    text = await response.text()
  } catch (error) {
    signal?.throwIfAborted()
    throw unreachable(options, timeout.aborted, error)
  }
  if (response.status === 503) throw unavailable(options.url, response)
  return readAnswer(options.url, response.status, text)
}

function unreachable({ url, timeoutMs }: HttpOptions, timedOut: boolean, cause: unknown): TrainqlNetworkError {
  if (timedOut) {
    const message = `No answer from ${url} within ${timeoutMs / 1000} s.`
    return new TrainqlNetworkError(
      { url, message, fix: 'Look at the load of the server, or raise timeoutMs.' },
      { cause },
    )
  }
  const message = `Could not reach ${url}: ${reasonOf(cause)}.`
  const fix = 'Start the server with `trainql start`, or correct the url.'
  return new TrainqlNetworkError({ url, message, fix }, { cause })
}

/** A server that is stopping, or what stands before one that is not there. */
function unavailable(url: string, { status, headers }: Response): TrainqlNetworkError {
  const seconds = headers.get('retry-after') ?? ''
  const retryAfterMs = /^\d{1,6}$/.test(seconds) ? Number(seconds) * 1000 : undefined
  const message = `${url} answered with HTTP ${status}: the server is stopping, or away for a while.`
  return new TrainqlNetworkError({ url, status, message, fix: 'Ask again once it is back.', retryAfterMs })
}

/** The innermost cause says most: fetch itself only says "fetch failed". */
export function reasonOf(error: unknown): string {
  let innermost = error
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause
  if (innermost instanceof AggregateError && innermost.errors.length > 0) return reasonOf(innermost.errors[0])
  if (!(innermost instanceof Error)) return String(innermost)
  const code = (innermost as { code?: unknown }).code
  return innermost.message || (typeof code === 'string' ? code : innermost.name)
}

function readAnswer(url: string, status: number, text: string): unknown {
  const answer = parseAnswer(text)
  if (answer === undefined) {
    const message = `${url} answered with HTTP ${status} and no GraphQL result.`
    throw new TrainqlNetworkError({
      url,
      status,
      message,
      fix: 'Correct the url: it must name the GraphQL path of a TrainQL server.',
    })
  }
  if (answer.errors !== undefined && answer.errors.length > 0) throw new TrainqlGraphqlError(answer.errors)
  if (answer.data === null || answer.data === undefined) {
    const message = `${url} answered with HTTP ${status}, without data and without errors.`
    throw new TrainqlNetworkError({ url, status, message, fix: 'Look for a proxy between here and the server.' })
  }
  return answer.data
}

function parseAnswer(text: string): { data?: unknown; errors?: GraphqlErrorShape[] } | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (typeof value !== 'object' || value === null || !('data' in value || 'errors' in value)) return undefined
  const { data, errors } = value as { data?: unknown; errors?: unknown }
  return { data, ...(Array.isArray(errors) ? { errors: errors as GraphqlErrorShape[] } : {}) }
}
