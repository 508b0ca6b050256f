// The way back from a damaged checkpoint: through its attempt, then through those that led to it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openResume } from '../../src/trainer/open-resume.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'
import { saveTinyCheckpoint } from './fixtures/tiny-checkpoint.ts'
import { writeAttempt } from './fixtures/trainer-process.ts'

const unknown = '0'.repeat(64)

/** Attempt 2 went on from 1-3, attempt 3 from 2-5. */
async function runOf(...damaged: string[]): Promise<{ directory: string; sha256: string }> {
  const directory = temporaryFolder()
  const checkpoints = join(directory, 'checkpoints')
  mkdirSync(checkpoints)
  writeAttempt(directory, 1)
  writeAttempt(directory, 2, { resumeFrom: { name: '1-00000003', sha256: unknown } })
  writeAttempt(directory, 3, { resumeFrom: { name: '2-00000005', sha256: unknown } })
  let sha256 = ''
  for (const [attempt, step] of [
    [1, 2],
    [1, 3],
    [1, 4],
    [2, 4],
    [2, 5],
    [2, 6],
    [3, 6],
    [3, 7],
  ] as const) {
    const saved = await saveTinyCheckpoint(checkpoints, { attempt, step })
    ;({ sha256 } = saved)
    if (damaged.includes(saved.name)) writeFileSync(join(checkpoints, saved.name, 'model.safetensors'), '')
  }
  return { directory, sha256 }
}

describe('openResume', () => {
  const all = ['3-00000007', '3-00000006', '2-00000005', '2-00000004', '1-00000003', '1-00000002']

  test.each(all.map((name, index) => [name, all.slice(0, index)] as const))(
    'takes %s where %j are damaged',
    async (name, damaged) => {
      const { directory, sha256 } = await runOf(...damaged)
      const opened = await openResume(directory, { name: '3-00000007', sha256 })
      expect(opened.name).toBe(name)
      expect(opened.checkpoint.manifest).toMatchObject({ attempt: Number(name[0]), step: Number(name.slice(2)) })
      expect(opened.damaged.map((passed) => passed.name)).toEqual(damaged)
      for (const { message } of opened.damaged)
        expect(message).toMatch(/model\.safetensors: expected \d+ bytes; found 0/)
    },
  )

  test('where all are damaged says what is wrong with the one asked for', async () => {
    const { directory, sha256 } = await runOf(...all)
    await expect(openResume(directory, { name: '3-00000007', sha256 })).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringMatching(/3-00000007\/model\.safetensors: expected \d+ bytes; found 0/) as string,
    })
  })

  test('takes other weights than those asked for as damage', async () => {
    const { directory } = await runOf()
    const { name, damaged } = await openResume(directory, { name: '2-00000005', sha256: unknown })
    expect(name).toBe('2-00000004')
    expect(damaged).toEqual([
      {
        name: '2-00000005',
        message: expect.stringMatching(
          /^Cannot resume: 2-00000005: expected weights with sha-256 0{64}; found /,
        ) as string,
      },
    ])
  })
})
