// What a server that leaves tells its clients: that it does, and when to come back.
import type { RequestHandler, Response } from 'express'
import type { WebSocket } from 'ws'

/** WebSocket close code "service restart": clients of graphql-ws take it as an invitation to come back. */
const serviceRestart = 1012
/** What a restart takes, about. */
const awayMs = 1_000
/** All come back within so long, one after the other. */
const spreadMs = 1_000
/** A client that does not answer a goodbye within so long is cut off. */
const patienceMs = 2_000
/** A request under way has so long to finish. */
const finishMs = 10_000

const message = 'The server is stopping.'

/**
 * Closes every socket behind what it has yet to send, and returns when all are closed. The reason is JSON with
 * `retryAfterMs`, within the 123 bytes that the protocol leaves to it.
 */
export async function sayGoodbye(sockets: ReadonlySet<WebSocket>): Promise<void> {
  const closing = [...sockets].map((socket, place) => {
    const retryAfterMs = Math.round(awayMs + (spreadMs * place) / sockets.size)
    socket.close(serviceRestart, JSON.stringify({ message, retryAfterMs }))
    return new Promise<void>((resolve) => {
      if (socket.readyState === socket.CLOSED) resolve()
      else socket.once('close', () => resolve())
    })
  })
  const cutOff = setTimeout(() => sockets.forEach((socket) => socket.terminate()), patienceMs)
  await Promise.all(closing)
  clearTimeout(cutOff)
}

export interface Door {
  /** Lets requests in while it is open. */
  enter: RequestHandler
  isShut(): boolean
  /** Returns when those that came in before are answered, or have had their time. */
  shut(): Promise<void>
}

/** Who comes late gets the form of a GraphQL error, with the hint for those that see no headers. */
export function createDoor(): Door {
  const inside = new Set<Response>()
  let shut = false
  let left = (): void => undefined
  return {
    enter(_request, response, next) {
      if (shut) {
        const extensions = { code: 'SERVICE_UNAVAILABLE', retryAfterMs: awayMs }
        response
          .status(503)
          .set({ 'retry-after': String(awayMs / 1000), connection: 'close' })
          .json({ errors: [{ message: `${message} Ask again once it is back.`, extensions }] })
        return
      }
      inside.add(response)
      response.once('close', () => {
        inside.delete(response)
        left()
      })
      next()
    },
    isShut: () => shut,
    shut() {
      shut = true
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, finishMs)
        left = () => {
          if (inside.size > 0) return
          clearTimeout(timer)
          resolve()
        }
        left()
      })
    },
  }
}

/** For a WebSocket that comes too late: status line and header. */
export const lateUpgrade = `503 Service Unavailable\r\nRetry-After: ${awayMs / 1000}`
