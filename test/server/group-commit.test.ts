// Many runs' changes in one transaction: in order, each once, and the failure of one is no other's.
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createGroupCommit } from '../../src/server/runs/group-commit.ts'

/** A commit that the test lets go on, and what it was given. */
function scripted() {
  const groups: number[][] = []
  const going: { resolve: () => void; reject: (error: Error) => void }[] = []
  const commit = createGroupCommit<number>((items) => {
    groups.push([...items])
    return new Promise<void>((resolve, reject) => going.push({ resolve, reject }))
  })
  return { commit, groups, going }
}

test('what comes while a commit is under way goes with the next, in order', async () => {
  const { commit, groups, going } = scripted()
  const results = [1, 2, 3, 4].map(commit)
  expect(groups).toEqual([[1]])
  going[0]?.resolve()
  await setImmediate()
  expect(groups).toEqual([[1], [2, 3, 4]])
  going[1]?.resolve()
  await Promise.all(results)
  await setImmediate()
  const last = commit(5)
  expect(groups).toEqual([[1], [2, 3, 4], [5]])
  going[2]?.resolve()
  await last
})

test('a group that is refused is tried one by one, and only what is wrong fails', async () => {
  const groups: number[][] = []
  const commit = createGroupCommit<number>((items) => {
    groups.push([...items])
    return items.includes(3) ? Promise.reject(new Error('three')) : Promise.resolve()
  })
  const results = await Promise.allSettled([1, 2, 3, 4].map(commit))
  expect(groups).toEqual([[1], [2, 3, 4], [2], [3], [4]])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  expect(results[2]).toMatchObject({ reason: { message: 'three' } })
})

test('a group is not heavier than a statement may be, but for an item that is so alone', async () => {
  const groups: number[][] = []
  const commit = createGroupCommit<number>(
    (items) => {
      groups.push([...items])
      return Promise.resolve()
    },
    (events) => events,
  )
  await Promise.all([1, 9000, 7000, 9000, 20_000, 384, 16_000, 1].map(commit))
  expect(groups).toEqual([[1], [9000, 7000], [9000], [20_000], [384, 16_000], [1]])
})
