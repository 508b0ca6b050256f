// Loads the native addon, once: the engine and the input pipeline each use their part of it.
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

const addonPath = fileURLToPath(new URL('../../build/native/trainql.node', import.meta.url))
let loaded: unknown

/** Why the addon cannot be used here, or null; never throws. */
export function findAddonProblem(): string | null {
  if (!existsSync(addonPath)) return 'the addon is not built (run `npm run setup`)'
  try {
    loadAddon()
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/**
 * Ends the process at once. `process.exit` waits for the threads that compute, of which one may be stuck for good.
 */
export function endProcess(code: number): never {
  if (loaded !== undefined) (loaded as { endProcess(code: number): void }).endProcess(code)
  process.exit(code)
}

/** Its exports, of which each caller knows its own; ask `findAddonProblem` before. */
export function loadAddon(): unknown {
  loaded ??= createRequire(import.meta.url)(addonPath)
  return loaded
}
