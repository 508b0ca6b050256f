// What is being written and has not got its name yet, so that a process told to leave takes it along.
import { rmSync } from 'node:fs'

const unfinished = new Set<string>()

/** Notes a temporary file or folder; call what is returned once it was renamed or removed. */
export function markUnfinished(path: string): () => void {
  unfinished.add(path)
  return () => unfinished.delete(path)
}

/** For a process that leaves at once: synchronous, and after it nothing half written is left. */
export function removeMarked(): void {
  for (const path of unfinished) rmSync(path, { recursive: true, force: true })
  unfinished.clear()
}
