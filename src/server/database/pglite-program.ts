// The embedded PostgreSQL's code, compiled once in this process: a thread that is started anew shares it, and opens the
// database in half the time.
import { readFile } from 'node:fs/promises'

/** A compiled module, as a thread can be handed it. */
export type PgliteProgram = object

/** Node has it, its types do not. */
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<PgliteProgram> }

let program: Promise<PgliteProgram> | undefined

export function compilePglite(): Promise<PgliteProgram> {
  program ??= readFile(new URL('pglite.wasm', import.meta.resolve('@electric-sql/pglite'))).then((bytes) =>
    WebAssembly.compile(bytes),
  )
  return program
}
