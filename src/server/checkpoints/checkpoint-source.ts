// Where a client says a checkpoint file is, turned into a path on this machine that it may name.
import { realpath } from 'node:fs/promises'
import { isAbsolute, join, sep } from 'node:path'
import { invalidInput } from '../../shared/errors.ts'

/**
 * The real path of a file or folder below one of the roots, whatever links lead there. A relative path is looked for in
 * each root. What lies outside of them is refused in the same words whether it is there or not.
 * @throws TrainqlError `INVALID_INPUT`
 */
export async function resolveInRoots(path: string, roots: readonly string[]): Promise<string> {
  if (roots.length === 0) {
    throw invalidInput({
      field: 'path',
      message: 'Expected an upload; this server reads no files by their path.',
      fix: 'Upload the file with createCheckpointUpload, or start the server with TRAINQL_CHECKPOINT_ROOTS.',
    })
  }
  for (const root of await Promise.all(roots.map(findRealPath))) {
    if (root === null) continue
    const found = await findRealPath(isAbsolute(path) ? path : join(root, path))
    if (found !== null && (found === root || found.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)))
      return found
  }
  throw invalidInput({
    field: 'path',
    message: `Expected a file in one of the checkpoint roots, ${roots.join(', ')}; got ${JSON.stringify(path)}.`,
    fix: 'Put the file there, or upload it with createCheckpointUpload.',
  })
}

/** Null where nothing is there that may be reached. */
async function findRealPath(path: string): Promise<string | null> {
  try {
    return await realpath(path)
  } catch {
    return null
  }
}
