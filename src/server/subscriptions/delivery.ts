// Carries one subscription to its socket: each item of the source as a finished message, as fast as the socket takes them.
import type { WebSocket } from 'ws'

/** What a socket may owe its client before those who feed it wait: the most memory that a slow client takes. */
export const highWaterBytes = 64 * 1024

export interface Delivery<T> {
  source: AsyncIterable<T>
  /** The payload of the message about an item. */
  textOf: (item: T) => string | Promise<string>
  socket: WebSocket
  /** Of the subscription, chosen by the client. */
  id: string
}

/**
 * An iterator in the form that graphql-ws wants of a subscription, which yields nothing: the messages go to the socket
 * themselves. It ends with the source.
 */
export function deliver<T>({ source, textOf, socket, id }: Delivery<T>): AsyncIterableIterator<never, void, undefined> {
  const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`
  const items = source[Symbol.asyncIterator]()
  let returned = false
  let done: Promise<void> | undefined

  async function run(): Promise<void> {
    try {
      for (;;) {
        const item = await items.next()
        if (item.done === true || returned) return
        const text = textOf(item.value)
        const message = `${head}${typeof text === 'string' ? text : await text}}`
        if (isReturned()) return
        const written = send(socket, message)
        if (written !== null) await written
      }
    } finally {
      await items.return?.()
    }
  }
  // Read anew: it changes while the loop waits.
  const isReturned = (): boolean => returned

  return {
    async next() {
      await (done ??= run())
      return { done: true, value: undefined }
    },
    async return() {
      returned = true
      await items.return?.()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

/** Null where the socket takes more; otherwise resolves once everything up to this message has been written, or is lost. */
function send(socket: WebSocket, message: string): Promise<void> | null {
  if (socket.readyState !== socket.OPEN) return null
  if (socket.bufferedAmount < highWaterBytes) {
    socket.send(message)
    return null
  }
  return new Promise((resolve) => socket.send(message, () => resolve()))
}
