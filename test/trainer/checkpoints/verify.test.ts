// A checkpoint's files hashed anew: what is as it was written, what is not, and what should not be there.
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { run } from '../../../src/trainer/checkpoints/actions/verify.ts'
import { verifyCheckpoint, type VerifyProgress } from '../../../src/trainer/checkpoints/verify.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'
import { saveTinyCheckpoint } from '../fixtures/tiny-checkpoint.ts'

async function savedFolder(): Promise<string> {
  const parent = temporaryFolder()
  const { name } = await saveTinyCheckpoint(parent, { attempt: 1, step: 3 })
  return join(parent, name)
}

interface Records {
  files: Record<string, { bytes: number; sha256: string }>
}

describe('verifyCheckpoint', () => {
  test('finds every file as the manifest says, and tells how far it is', async () => {
    const folder = await savedFolder()
    const progress: VerifyProgress[] = []
    const verification = await verifyCheckpoint(folder, (step) => progress.push(step))
    const manifest = readFileSync(join(folder, 'manifest.json'), 'utf8')
    const { files } = JSON.parse(manifest) as Records
    const record = (name: string): object => {
      const { bytes = 0, sha256 = '' } = files[name] ?? {}
      const text = `${bytes} bytes, sha-256 ${sha256}`
      return { name, bytes, intact: true, expected: text, found: text }
    }
    const text = 'a checkpoint manifest'
    expect(verification).toEqual({
      folder,
      intact: true,
      files: [
        { name: 'manifest.json', bytes: manifest.length, intact: true, expected: text, found: text },
        record('model.safetensors'),
        record('optimizer.safetensors'),
      ],
    })
    const ofBytes = (files['model.safetensors']?.bytes ?? 0) + (files['optimizer.safetensors']?.bytes ?? 0)
    expect(progress.at(-1)).toEqual({ doneBytes: ofBytes, ofBytes })
  })

  test.each<[what: string, damage: (folder: string) => void, name: string, found: RegExp]>([
    [
      'one bit turned',
      (folder) => {
        const bytes = readFileSync(join(folder, 'model.safetensors'))
        bytes[bytes.length - 1]! ^= 1
        writeFileSync(join(folder, 'model.safetensors'), bytes)
      },
      'model.safetensors',
      /^\d+ bytes, sha-256 [0-9a-f]{64}$/,
    ],
    [
      'a file cut short',
      (folder) => truncateSync(join(folder, 'optimizer.safetensors'), 10),
      'optimizer.safetensors',
      /^10 bytes, sha-256 /,
    ],
    ['a file that is gone', (folder) => rmSync(join(folder, 'model.safetensors')), 'model.safetensors', /^ENOENT/],
    ['a file too many', (folder) => writeFileSync(join(folder, 'notes.txt'), 'four'), 'notes.txt', /^4 bytes$/],
    ['a folder too many', (folder) => mkdirSync(join(folder, 'more')), 'more', /^\d+ bytes$/],
    ['a torn manifest', (folder) => truncateSync(join(folder, 'manifest.json'), 9), 'manifest.json', /JSON/],
  ])('names %s', async (_, damage, name, found) => {
    const folder = await savedFolder()
    damage(folder)
    const { intact, files } = await verifyCheckpoint(folder)
    expect(intact).toBe(false)
    const wrong = files.filter((file) => !file.intact)
    expect(wrong[0]).toMatchObject({ name, found: expect.stringMatching(found) as string })
    // Without its manifest nothing is known of the others.
    expect(wrong).toHaveLength(name === 'manifest.json' ? 3 : 1)
  })

  test('of no folder is an error', async () => {
    const folder = join(temporaryFolder(), 'none')
    await expect(run({ action: 'VERIFY', folder }, () => undefined)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^Expected the folder of a checkpoint at .*none; ENOENT/) as string,
    })
  })
})
