// A TCP proxy on loopback that can cut every connection, refuse new ones, or swallow what passes: the network's part
// in a test.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Proxy {
  url: string
  /** Destroys every connection (RST, no closing handshake). */
  cut(): void
  /** While refusing, new connections are destroyed at once. */
  refuse(on: boolean): void
  /** Connections stay open and nothing passes any more: a half-open link. */
  freeze(): void
  connections(): number
  close(): Promise<void>
}

export async function startProxy(port: number): Promise<Proxy> {
  const pairs = new Map<Socket, Socket>()
  let refusing = false
  const server = createServer((inner) => {
    if (refusing) return inner.resetAndDestroy()
    const outer = connect(port, '127.0.0.1')
    pairs.set(inner, outer)
    const end = (): void => {
      pairs.delete(inner)
      inner.destroy()
      outer.destroy()
    }
    for (const socket of [inner, outer]) socket.on('error', end).on('close', end)
    inner.pipe(outer)
    outer.pipe(inner)
    return undefined
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => pairs.forEach((outer, inner) => [inner, outer].forEach((socket) => socket.resetAndDestroy()))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    refuse: (on) => (refusing = on),
    freeze: () =>
      pairs.forEach((outer, inner) => {
        inner.unpipe(outer)
        outer.unpipe(inner)
        inner.resume()
        outer.resume()
      }),
    connections: () => pairs.size,
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
