// Where things are: the package, and what stands beside it.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's folder, from `src/cli` as from `dist/cli`. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url))

export const serverEntry = new URL('../server/main.ts', import.meta.url)
export const rebuildEntry = new URL('../server/rebuild/main.ts', import.meta.url)

export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return version
}

/** Where database and runs are, as the server has it where nothing else is said. */
export function dataDirectory(): string {
  return process.env['TRAINQL_HOME'] || '.trainql'
}

/** A path as a person in `from` would type it. */
export function displayPath(path: string, from: string): string {
  const short = relative(from, path)
  return short === '' || short.startsWith('..') ? path : short
}
