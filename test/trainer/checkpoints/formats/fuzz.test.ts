// A thousand of the ten thousand damaged files of `npm run bench -- fuzz`: each is read, or refused in the user's words.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exercise } from '../../../../bench/fuzz/exercise.ts'
import { mutant } from '../../../../bench/fuzz/mutate.ts'
import { soundFiles } from '../../../../bench/fuzz/sound.ts'
import { temporaryFolder } from '../../fixtures/temporary-folder.ts'

test('sound files are read', async () => {
  const folder = temporaryFolder()
  const outcomes: unknown[] = []
  for (const { name, bytes } of await soundFiles()) {
    const path = join(folder, 'sound')
    writeFileSync(path, bytes)
    outcomes.push({ name, ...(await exercise(path)) })
  }
  expect(outcomes.length).toBeGreaterThan(20)
  expect(outcomes.filter((outcome) => (outcome as { kind: string }).kind !== 'read')).toEqual([])
})

test('mutants are read or refused', async () => {
  const folder = temporaryFolder()
  const sound = await soundFiles()
  const outcomes = { read: 0, refused: 0 }
  for (let number = 0; number < 1000; number += 1) {
    const { what, bytes } = mutant(sound, number)
    const path = join(folder, 'mutant')
    writeFileSync(path, bytes)
    const outcome = await exercise(path)
    if (outcome.kind === 'fault') throw new Error(`${what}: ${outcome.message}`)
    outcomes[outcome.kind] += 1
  }
  // The same every time; most damage is noticed, and some is not damage to what is read.
  expect(outcomes.read).toBeGreaterThan(20)
  expect(outcomes.refused).toBeGreaterThan(800)
})

test('a mutant depends on its number alone', async () => {
  const sound = await soundFiles()
  expect(mutant(sound, 42)).toEqual(mutant(sound, 42))
  expect(mutant(sound, 43).bytes.equals(mutant(sound, 42).bytes)).toBe(false)
})
