// Takes checkpoints away: under another name first, which is atomic, and for good once the log says so.
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isTrainqlError } from '../../shared/errors.ts'
import { findCheckpointNameParts, pinSuffix, trashPrefix } from '../../shared/run-directory.ts'
import type { Attempt, CheckpointPolicy } from '../../shared/run-spec.ts'
import { syncFolder } from '../disk.ts'
import { countsFor } from './counted.ts'
import { readManifest } from './load.ts'
import { retained, type CheckpointFacts } from './retention.ts'

export interface Housekeeper {
  /** Renames what the policy does not keep, and returns the names. */
  setAside(): Promise<string[]>
  /** The names that a process which was killed had set aside; what was pinned meanwhile is back. */
  findSetAside(): Promise<string[]>
  /** Frees the room of all that is set aside. */
  discard(): Promise<void>
}

export interface HousekeeperOptions {
  policy: CheckpointPolicy
  /** The attempt at work: earlier ones' checkpoints that do not count for it are not looked at. */
  attempt: Pick<Attempt, 'attempt' | 'checkpoints'>
  say: (line: string) => void
}

/**
 * Removes nothing that is pinned. What cannot be renamed or freed now is left for the next time.
 * @param folder The run's `checkpoints/`.
 */
export function createHousekeeper(folder: string, { policy, attempt, say }: HousekeeperOptions): Housekeeper {
  /** Manifests never change. */
  const known = new Map<string, CheckpointFacts>()

  async function factsOf(name: string): Promise<CheckpointFacts[]> {
    let facts = known.get(name)
    if (facts === undefined) {
      try {
        const { attempt, epoch, step, metrics } = await readManifest(join(folder, name))
        facts = { name, attempt, epoch, step, metrics }
      } catch (error) {
        // Damaged, or deleted just now: not ours to count, nor to remove.
        if (isTrainqlError(error)) return []
        throw error
      }
      known.set(name, facts)
    }
    return [facts]
  }

  /** Whether it went. */
  async function move(from: string, to: string): Promise<boolean> {
    try {
      await rename(join(folder, from), join(folder, to))
      return true
    } catch (error) {
      // Where it is absent it was deleted just now.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') say(`${from} stays for now: ${messageOf(error)}`)
      return false
    }
  }

  /** A pin that comes in between wins: whoever pins looks for the folder after the pin is written. */
  async function setOneAside(name: string): Promise<boolean> {
    const aside = `${trashPrefix}${name}`
    if (!(await move(name, aside))) return false
    if (!pinsAmong(await readdir(folder)).has(name)) return true
    await move(aside, name)
    return false
  }

  async function listSetAside(): Promise<{ pinned: string[]; others: string[] }> {
    const entries = await readdir(folder)
    const pins = pinsAmong(entries)
    const names = entries.flatMap((entry) => (entry.startsWith(trashPrefix) ? [entry.slice(trashPrefix.length)] : []))
    return { pinned: names.filter((name) => pins.has(name)), others: names.filter((name) => !pins.has(name)) }
  }

  return {
    async setAside() {
      const entries = await readdir(folder)
      const names = entries.filter((entry) => findCheckpointNameParts(entry) !== null && countsFor(attempt, entry))
      const checkpoints = (await Promise.all(names.map(factsOf))).flat()
      const keep = retained(checkpoints, policy, pinsAmong(entries))
      const removed: string[] = []
      for (const { name } of checkpoints) {
        if (!keep.has(name) && (await setOneAside(name))) removed.push(name)
      }
      if (removed.length > 0) await syncFolder(folder)
      return removed
    },
    async findSetAside() {
      const { pinned, others } = await listSetAside()
      for (const name of pinned) await move(`${trashPrefix}${name}`, name)
      return others
    },
    async discard() {
      for (const name of (await listSetAside()).others) {
        try {
          await rm(join(folder, `${trashPrefix}${name}`), { recursive: true, force: true })
        } catch (error) {
          say(`the room of checkpoint ${name} is not free yet: ${messageOf(error)}`)
        }
      }
    },
  }
}

function pinsAmong(entries: readonly string[]): Set<string> {
  return new Set(entries.flatMap((entry) => (entry.endsWith(pinSuffix) ? [entry.slice(0, -pinSuffix.length)] : [])))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
