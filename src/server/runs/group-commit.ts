// Commits what many runs want stored at once as one transaction: whatever arrives while a commit is under way goes with
// the next one. So a transaction's cost is paid once for all runs that log at the time, and the fuller the database's
// hands are, the more a transaction carries.
import { DatabaseUnavailable } from '../database/outage.ts'

/** More would make the first of them wait for the last. */
const largestGroup = 64
/** A statement of so many events has about three megabytes. */
const largestWeight = 16_384

interface Waiting<T> {
  item: T
  resolve: () => void
  reject: (error: unknown) => void
}

/**
 * `commit` stores all of the items or none. Where a group is refused, each of its items is tried alone, so that what is
 * wrong with one is that one's failure. An item is committed behind all that were given before it.
 * @param weightOf how much an item adds to a group, of which only the first may be heavier than `largestWeight`
 */
export function createGroupCommit<T>(
  commit: (items: readonly T[]) => Promise<void>,
  weightOf: (item: T) => number = () => 0,
): (item: T) => Promise<void> {
  const waiting: Waiting<T>[] = []
  let running = false

  async function commitOne({ item, resolve, reject }: Waiting<T>): Promise<void> {
    try {
      await commit([item])
      resolve()
    } catch (error) {
      reject(error)
    }
  }

  async function commitGroup(group: readonly Waiting<T>[]): Promise<void> {
    try {
      await commit(group.map(({ item }) => item))
    } catch (error) {
      if (error instanceof DatabaseUnavailable) for (const { reject } of group) reject(error)
      else for (const each of group) await commitOne(each)
      return
    }
    for (const { resolve } of group) resolve()
  }

  function groupSize(): number {
    let weight = 0
    const tooHeavy = waiting.findIndex(({ item }) => (weight += weightOf(item)) > largestWeight)
    return Math.min(largestGroup, tooHeavy === -1 ? waiting.length : Math.max(1, tooHeavy))
  }

  async function run(): Promise<void> {
    running = true
    while (waiting.length > 0) {
      const group = waiting.splice(0, groupSize())
      const [first] = group
      if (group.length === 1 && first !== undefined) await commitOne(first)
      else await commitGroup(group)
    }
    running = false
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      if (!running) void run()
    })
}
