// One WebSocket for all subscriptions of a client: opened when the first starts, closed when the last ends, given up
// as dead when it no longer answers pings. It never reconnects: who lost a subscription asks anew, with its cursor.
import { createClient as createWsClient, type Client as WsClient } from 'graphql-ws'
import { TrainqlGraphqlError, TrainqlNetworkError, type GraphqlErrorShape } from './errors.ts'
import { reasonOf, type GraphqlRequest } from './http.ts'

export interface SocketOptions {
  url: string
  /** A WebSocket class; by default the global one, else that of the package `ws`. */
  webSocketImpl: unknown
  /** Sent when connecting. */
  connectionParams: () => Record<string, unknown> | undefined
  /** Silence before a ping. */
  keepAliveMs: number
  /** Silence after a ping before the socket counts as dead; also the limit for connecting. */
  pongTimeoutMs: number
}

export interface Sink {
  next(data: unknown): void
  /** The server ended the stream. */
  complete(): void
  /** A `TrainqlNetworkError` is worth another attempt unless its close code says no; a `TrainqlGraphqlError` is not. */
  error(error: TrainqlNetworkError | TrainqlGraphqlError): void
}

export interface Socket {
  /** Starts a subscription; the returned function ends it, and then the sink hears nothing more. */
  subscribe(request: GraphqlRequest, sink: Sink): () => void
}

/** Close codes that the next attempt would meet again: the protocol's own refusals. */
const finalCloseCodes = new Set([4004, 4005, 4400, 4401, 4403, 4406, 4409, 4429, 4500])

export function isFinal(error: TrainqlNetworkError): boolean {
  return error.status !== undefined && finalCloseCodes.has(error.status)
}

export function openSocket(options: SocketOptions): Socket {
  let connection: Promise<WsClient> | undefined
  let subscriptions = 0

  /** A connection serves until it closes or its last subscription ends; the next subscription opens another. */
  function connect(): Promise<WsClient> {
    const forget = (): void => {
      if (connection === opening) connection = undefined
    }
    const opening = openConnection(options, forget)
    return opening
  }

  return {
    subscribe(request, sink) {
      let live = true
      let unsubscribe = (): void => undefined
      const finish = (): boolean => {
        if (!live) return false
        live = false
        if (--subscriptions === 0) connection = undefined
        return true
      }
      const lost = (error: unknown): void => {
        if (finish()) sink.error(toClientError(options.url, error))
      }
      subscriptions++
      connection ??= connect()
      const payload = {
        query: request.query,
        variables: request.variables ?? null,
        operationName: request.operationName,
      }
      connection.then((client) => {
        if (!live) return
        unsubscribe = client.subscribe(payload, {
          next: ({ data, errors }) => {
            if (errors !== undefined && errors.length > 0) {
              lost(errors)
              unsubscribe()
            } else if (live) sink.next(data)
          },
          complete: () => {
            if (finish()) sink.complete()
          },
          error: lost,
        })
      }, lost)
      return () => {
        finish()
        unsubscribe()
      }
    },
  }
}

async function openConnection(options: SocketOptions, closed: () => void): Promise<WsClient> {
  let raw: { terminate?: () => void } | undefined
  let pongTimer: ReturnType<typeof setTimeout> | undefined
  const client = createWsClient({
    url: options.url,
    webSocketImpl: options.webSocketImpl ?? (await defaultWebSocket(options.pongTimeoutMs)),
    connectionParams: options.connectionParams,
    retryAttempts: 0,
    keepAlive: options.keepAliveMs,
    connectionAckWaitTimeout: options.pongTimeoutMs,
    on: {
      opened: (socket) => {
        raw = socket as { terminate?: () => void }
      },
      ping: (received) => {
        if (received) return
        pongTimer = setTimeout(() => {
          client.terminate()
          // A half-open socket would linger in its closing handshake.
          raw?.terminate?.()
        }, options.pongTimeoutMs)
      },
      pong: (received) => {
        if (received) clearTimeout(pongTimer)
      },
      error: closed,
      closed: (event) => {
        clearTimeout(pongTimer)
        closed()
        // After a clean close graphql-ws would subscribe again with the old variables, and so with the old cursor.
        if ((event as { code?: number }).code === 1000) Promise.resolve(client.dispose()).catch(() => undefined)
      },
    },
  })
  return client
}

/** The global WebSocket (browsers, Node >= 22), else that of the package `ws`. */
async function defaultWebSocket(handshakeTimeoutMs: number): Promise<unknown> {
  const global = (globalThis as { WebSocket?: unknown }).WebSocket
  if (global !== undefined) return global
  const { WebSocket } = await import('ws')
  return class extends WebSocket {
    constructor(url: string, protocols: string | string[]) {
      super(url, protocols, { handshakeTimeout: handshakeTimeoutMs })
      // graphql-ws drops its listener when it gives a socket up; an error after that would end the process.
      this.on('error', () => undefined)
    }
  }
}

function toClientError(url: string, error: unknown): TrainqlNetworkError | TrainqlGraphqlError {
  if (Array.isArray(error)) return new TrainqlGraphqlError(error as GraphqlErrorShape[])
  const { code, reason, message } = (error ?? {}) as { code?: unknown; reason?: unknown; message?: unknown }
  if (typeof code === 'number') {
    const { words, retryAfterMs } = parseReason(typeof reason === 'string' ? reason : '')
    const text = `The subscription socket to ${url} closed (${words === '' ? code : `${code} ${words}`}).`
    return new TrainqlNetworkError(
      { url, status: code, message: text, fix: reconnectFix, retryAfterMs },
      { cause: error },
    )
  }
  // ErrorEvent of a browser or of Node's own WebSocket, or an Error of `ws`.
  const inner = (error as { error?: unknown } | undefined)?.error ?? error
  const words =
    inner instanceof Error ? reasonOf(inner) : typeof message === 'string' && message !== '' ? message : 'no connection'
  return new TrainqlNetworkError(
    { url, message: `Could not subscribe at ${url}: ${words}.`, fix: reconnectFix },
    { cause: error },
  )
}

/** A server that leaves gives its reason as JSON, with the time after which to come back. */
function parseReason(reason: string): { words: string; retryAfterMs?: number } {
  try {
    const { message, retryAfterMs } = JSON.parse(reason) as { message?: unknown; retryAfterMs?: unknown }
    return {
      words: typeof message === 'string' ? message : reason,
      ...(typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? { retryAfterMs } : {}),
    }
  } catch {
    return { words: reason }
  }
}

const reconnectFix = 'Start the server with `trainql start`, or correct the url.'
