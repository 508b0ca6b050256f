// The embedded PostgreSQL's code, compiled once in this process: a thread that is started anew shares it, and opens the
// database in half the time.
import { readFile } from 'node:fs/promises'

/** Node's types know what it makes, not how. */
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<WebAssembly.Module> }

let program: Promise<WebAssembly.Module> | undefined

export function compilePglite(): Promise<WebAssembly.Module> {
  program ??= readFile(new URL('pglite.wasm', import.meta.resolve('@electric-sql/pglite'))).then((bytes) =>
    WebAssembly.compile(bytes),
  )
  return program
}
