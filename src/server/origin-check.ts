// Keeps web pages of other sites away from a server on the user's own machine: a browser opens WebSockets across
// origins without asking, and a name that an attacker lets point at 127.0.0.1 makes pages same-origin.
import type { IncomingMessage } from 'node:http'

const loopbackNames: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

/** `boundHost`: the address the server listens on. Programs that are no browsers send no origin and may come. */
export function isAllowedOrigin({ headers }: IncomingMessage, boundHost: string): boolean {
  const host = findUrl(`http://${headers.host ?? ''}`)
  if (host === null) return false
  const onlyLoopback = boundHost === '::1' || loopbackNames.has(boundHost)
  if (onlyLoopback && !isLoopback(host.hostname)) return false
  if (headers.origin === undefined) return true
  const origin = findUrl(headers.origin)
  return origin !== null && (origin.host === host.host || isLoopback(origin.hostname))
}

function isLoopback(hostname: string): boolean {
  return loopbackNames.has(hostname) || hostname.endsWith('.localhost')
}

function findUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null
}
