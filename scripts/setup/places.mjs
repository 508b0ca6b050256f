// Where the set-up works.
import { fileURLToPath } from 'node:url'

/** The repository's folder, as a URL that ends in a slash. */
export const root = new URL('../../', import.meta.url)
export const rootPath = fileURLToPath(root)
/** Stamps, logs and the lock. */
export const stateFolder = fileURLToPath(new URL('build/setup/', root))
