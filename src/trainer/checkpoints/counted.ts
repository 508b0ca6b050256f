// Which checkpoint folders of earlier attempts count. A trainer that was fenced, or killed between a checkpoint and its
// event, leaves one that the run knows nothing of: it would take the place of one that somebody relies on.
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { findCheckpointNameParts } from '../../shared/run-directory.ts'
import type { Attempt } from '../../shared/run-spec.ts'

type Counting = Pick<Attempt, 'attempt' | 'checkpoints'>

/** Whether a folder of this name counts for the attempt; its own always do. */
export function countsFor({ attempt, checkpoints }: Counting, name: string): boolean {
  const parts = findCheckpointNameParts(name)
  return parts === null || checkpoints === null || parts.attempt >= attempt || checkpoints.includes(name)
}

/** Removes what does not count; returns the names. */
export async function removeUncounted(folder: string, attempt: Counting): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => !countsFor(attempt, name))
  for (const name of names) {
    // Under the name of what is unfinished, so that a crash in between leaves what the next attempt removes.
    const aside = join(folder, `.tmp-${name}`)
    await rename(join(folder, name), aside)
    await rm(aside, { recursive: true, force: true })
  }
  return names
}
