// A connection to the PGlite worker in the form of a socket, so that node-postgres speaks to it as to any server.
import { Duplex } from 'node:stream'

/** The side of the worker that a connection needs: one request, one answer, in order. */
export interface PgliteRequests {
  open(): Promise<void>
  exchange(bytes: Uint8Array): Promise<Uint8Array>
}

/** What node-postgres calls on a socket beside the stream itself. */
export class PgliteSocket extends Duplex {
  private readonly requests: PgliteRequests

  constructor(requests: PgliteRequests) {
    super()
    this.requests = requests
  }

  connect(): this {
    this.requests.open().then(
      () => this.emit('connect'),
      (error: unknown) => this.destroy(error as Error),
    )
    return this
  }

  override _read(): void {
    // Answers are pushed as they come.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.exchange(chunk, done)
  }

  /** Node-postgres corks the messages of a query: they go as one request. */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.exchange(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.push(null)
    done()
  }

  setNoDelay(): this {
    return this
  }

  setKeepAlive(): this {
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  private exchange(bytes: Buffer, done: (error?: Error | null) => void): void {
    this.requests.exchange(bytes).then(
      (answer) => {
        if (answer.length > 0) this.push(Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength))
        done()
      },
      (error: unknown) => done(error as Error),
    )
  }
}
