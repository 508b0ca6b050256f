// Bytes to and from the server's signed URLs, with every way it can go wrong made a typed error.
import { TrainqlFailure, TrainqlNetworkError } from './errors.ts'
import { type HttpOptions, reasonOf } from './http.ts'
import type { LocalTarget } from './local-files.ts'

/** What a signed URL is resolved against: the server that gave it. */
export type TransferOptions = Pick<HttpOptions, 'url' | 'fetch' | 'headers'>

export interface Body {
  /** A stream is sent as it comes. */
  content: Blob | ReadableStream
  /** Null where it is not known. */
  bytes: number | null
}

/** @throws TrainqlFailure as the server says; TrainqlNetworkError */
export async function putBytes(options: TransferOptions, url: string, body: Body, signal: AbortSignal): Promise<void> {
  const target = new URL(url, options.url).href
  const { content, bytes } = body
  const length: Record<string, string> = bytes === null ? {} : { 'content-length': String(bytes) }
  const init = {
    method: 'PUT',
    headers: { ...options.headers(), ...length, 'content-type': 'application/octet-stream' },
    body: content,
    // A stream cannot be sent twice, so that the request is answered only once it is sent.
    duplex: 'half' as const,
    signal,
  }
  const response = await reach(options, target, init, signal)
  if (response.ok) await response.arrayBuffer()
  else throw await refusal(response, target)
}

/**
 * What there is at a URL, as it comes. Leaving the loop ends the transfer.
 * @throws TrainqlFailure as the server says; TrainqlNetworkError, also where the line breaks in the middle
 */
export async function* getBytes(
  options: TransferOptions,
  url: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const source = new URL(url, options.url).href
  const response = await reach(options, source, { headers: options.headers(), signal }, signal)
  if (!response.ok) throw await refusal(response, source)
  if (response.body === null) return
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let ended = false
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        signal.throwIfAborted()
        throw unreachable(source, error)
      })
      ended = done
      if (done) return
      yield value
    }
  } finally {
    // Of one that broke there is nothing to cancel.
    if (!ended) await reader.cancel().catch(() => undefined)
  }
}

export interface DownloadRequest {
  url: string
  bytes: number
  sha256: string
  target: LocalTarget
  /** Connections in a row that may break without a byte. */
  attempts: number
  onBytes: (bytes: number) => void
}

/**
 * Goes on behind what has come where a connection breaks.
 * @throws TrainqlFailure as the server says, or where the file is not what it should be; TrainqlNetworkError
 */
export async function downloadBytes(
  options: TransferOptions,
  request: DownloadRequest,
  signal: AbortSignal,
): Promise<void> {
  const { url, bytes, sha256, target, attempts } = request
  const source = new URL(url, options.url).href
  let done = 0
  const onBytes = (now: number): void => {
    done = now
    request.onBytes(now)
  }
  try {
    for (let failures = 0; done < bytes || bytes === 0;) {
      const before = done
      try {
        const range: Record<string, string> = done === 0 ? {} : { range: `bytes=${done}-`, 'if-range': `"${sha256}"` }
        const response = await reach(options, source, { headers: { ...options.headers(), ...range }, signal }, signal)
        if (!response.ok) throw await refusal(response, source)
        if (done > 0 && response.status !== 206) throw notContinued(source)
        if (response.body !== null) await target.append(response.body, onBytes)
        if (bytes === 0) break
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof TrainqlFailure) throw error
        failures = done > before ? 0 : failures + 1
        if (failures > attempts) throw error instanceof TrainqlNetworkError ? error : unreachable(source, error)
      }
    }
    await target.finish({ bytes, sha256 })
  } catch (error) {
    await target.abandon()
    throw error
  }
}

async function reach(
  { fetch }: TransferOptions,
  url: string,
  init: RequestInit & { duplex?: 'half' },
  signal: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    signal.throwIfAborted()
    throw unreachable(url, error)
  }
}

/** The server answers a refusal with JSON; anything else is not the server. */
async function refusal(response: Response, url: string): Promise<TrainqlFailure | TrainqlNetworkError> {
  const { status } = response
  const answer = (await response.json().catch(() => null)) as { code?: string; message?: string; fix?: string } | null
  if (typeof answer?.code !== 'string') {
    const message = `${withoutQuery(url)} answered with HTTP ${status}.`
    const fix = 'Look for a proxy between here and the server.'
    return new TrainqlNetworkError({ url: withoutQuery(url), status, message, fix })
  }
  const type = status === 404 ? 'NotFoundFailure' : status === 409 || status === 507 ? 'ConflictFailure' : undefined
  const { code, message = '', fix = '' } = answer
  return new TrainqlFailure({ type: type ?? 'InvalidInputFailure', code, message, fix })
}

function unreachable(url: string, cause: unknown): TrainqlNetworkError {
  const message = `The transfer with ${withoutQuery(url)} broke: ${reasonOf(cause)}.`
  return new TrainqlNetworkError({ url: withoutQuery(url), message, fix: 'Try again.' }, { cause })
}

function notContinued(url: string): TrainqlFailure {
  return new TrainqlFailure({
    type: 'ConflictFailure',
    code: 'CONFLICT',
    message: `${withoutQuery(url)} has changed while it was downloaded.`,
    fix: 'Download it again.',
  })
}

/** The query is what lets whoever holds it in. */
function withoutQuery(url: string): string {
  return url.replace(/\?.*$/, '')
}
