// Checkpoints on disk: whole or absent, verified by hash, without a device.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { entryCommand } from '../../src/shared/entry.ts'
import { loadCheckpoint, loadResumable } from '../../src/trainer/checkpoints/load.ts'
import { removeUnfinished, saveCheckpoint, type CheckpointContent } from '../../src/trainer/checkpoints/save.ts'
import { onSmallDisk, skipWithoutSmallDisk, smallDisk } from './fixtures/small-disk.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'
import { tinyCheckpoint } from './fixtures/tiny-checkpoint.ts'

const content = tinyCheckpoint

/** As an import makes of a file of weights alone. */
const imported: CheckpointContent = {
  state: content.state,
  optimizerState: null,
  manifest: {
    ...content.manifest,
    runId: null,
    attempt: 0,
    model: { architecture: 'RESNET18', classes: 10, input: { channels: 1, height: null, width: null } },
    data: null,
    metrics: null,
    training: null,
    optimizer: null,
    importedFrom: {
      file: 'resnet18.pth',
      sha256: 'ab'.repeat(32),
      format: 'TORCH_ZIP',
      layout: 'STATE_DICT',
      strippedPrefix: 'module.',
    },
  },
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

describe('saveCheckpoint', () => {
  test('leaves three files whose hashes the manifest knows, and says what it wrote', async () => {
    const folder = temporaryFolder()
    const saved = await saveCheckpoint(folder, '1-00000003', content)
    const at = (name: string): string => join(folder, '1-00000003', name)
    expect(readdirSync(folder)).toEqual(['1-00000003'])
    expect(readdirSync(join(folder, '1-00000003')).sort()).toEqual([
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
    ])
    const files = ['model.safetensors', 'optimizer.safetensors', 'manifest.json']
    const bytes = files.reduce((sum, name) => sum + readFileSync(at(name)).length, 0)
    expect(saved).toEqual({ name: '1-00000003', bytes, sha256: hashOf(at('model.safetensors')) })
    expect(JSON.parse(readFileSync(at('manifest.json'), 'utf8'))).toEqual({
      ...content.manifest,
      files: {
        'model.safetensors': { bytes: readFileSync(at('model.safetensors')).length, sha256: saved.sha256 },
        'optimizer.safetensors': {
          bytes: readFileSync(at('optimizer.safetensors')).length,
          sha256: hashOf(at('optimizer.safetensors')),
        },
      },
    })
  })

  test('comes back whole', async () => {
    const folder = temporaryFolder()
    await saveCheckpoint(folder, '1-00000003', content)
    const loaded = await loadCheckpoint(join(folder, '1-00000003'))
    expect(new Map(loaded.state)).toEqual(content.state)
    expect(loaded.optimizerState).toEqual(content.optimizerState)
    expect(loaded.manifest).toMatchObject(content.manifest)
    expect(await loadResumable(join(folder, '1-00000003'))).toEqual(loaded)
  })

  test('without an optimiser has two files, and comes back as weights that no run goes on from', async () => {
    const folder = temporaryFolder()
    const saved = await saveCheckpoint(folder, 'c1', imported)
    const files = ['manifest.json', 'model.safetensors']
    expect(readdirSync(join(folder, 'c1')).sort()).toEqual(files)
    const bytes = files.reduce((sum, name) => sum + readFileSync(join(folder, 'c1', name)).length, 0)
    expect(saved.bytes).toBe(bytes)
    const loaded = await loadCheckpoint(join(folder, 'c1'))
    expect(loaded.state).toEqual(imported.state)
    expect(loaded.optimizerState).toBeNull()
    expect(loaded.manifest).toMatchObject(imported.manifest)
    expect(Object.keys(loaded.manifest.files)).toEqual(['model.safetensors'])
    await expect(loadResumable(join(folder, 'c1'))).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: `${join(folder, 'c1')}: expected a checkpoint that a run wrote; found one without its training state.`,
    })
  })

  test('leaves nothing where it fails', async () => {
    const folder = temporaryFolder()
    const occupied = join(folder, '1-00000003')
    mkdirSync(occupied)
    writeFileSync(join(occupied, 'kept'), '')
    await expect(saveCheckpoint(folder, '1-00000003', content)).rejects.toMatchObject({ code: 'ENOTEMPTY' })
    expect(readdirSync(folder)).toEqual(['1-00000003'])
    expect(readdirSync(occupied)).toEqual(['kept'])
  })
})

describe('a disk that becomes full while a checkpoint is written', () => {
  test('fails the save alone: nothing is left of it, and those before are whole', (context) => {
    skipWithoutSmallDisk(context)
    const script = entryCommand(new URL('./fixtures/fill-checkpoints.ts', import.meta.url))
    const text = onSmallDisk({ mebibytes: 1, command: [...script, smallDisk].join(' ') })
    const { error, left, intact } = JSON.parse(text) as Record<string, unknown>
    expect(error).toEqual({
      code: 'DISK_FULL',
      message: `Expected room to write in ${smallDisk}; the disk or the quota is full.`,
    })
    expect(left).toEqual(['1-00000001', '1-00000002'])
    expect(intact).toEqual([true, true])
  })
})

describe('loadCheckpoint refuses', () => {
  const weights = 'model.safetensors'
  test.each<[what: string, damage: (folder: string) => void, message: RegExp]>([
    [
      'a folder without manifest',
      (folder) => rmSync(join(folder, 'manifest.json')),
      /manifest\.json: expected a readable file; found ENOENT/,
    ],
    [
      'a manifest cut short',
      (folder) => truncateSync(join(folder, 'manifest.json'), 20),
      /manifest\.json: expected a checkpoint manifest; found /,
    ],
    [
      'a manifest of another version',
      (folder) => writeFileSync(join(folder, 'manifest.json'), '{"formatVersion":1}'),
      /Invalid checkpoint manifest: expected formatVersion to be 2; got \d\./,
    ],
    [
      'a manifest that knows an optimiser and no file of it',
      (folder) => {
        const file = join(folder, 'manifest.json')
        const manifest = JSON.parse(readFileSync(file, 'utf8')) as { files: Record<string, unknown> }
        delete manifest.files['optimizer.safetensors']
        writeFileSync(file, JSON.stringify(manifest))
      },
      /at "optimizer": Expected optimizer exactly where there is optimizer\.safetensors/,
    ],
    [
      'missing weights',
      (folder) => rmSync(join(folder, weights)),
      /model\.safetensors: expected a readable file; found ENOENT/,
    ],
    [
      'weights cut short',
      (folder) => truncateSync(join(folder, weights), 100),
      /model\.safetensors: expected \d+ bytes; found 100\./,
    ],
    [
      'one bit turned',
      (folder) => {
        const bytes = readFileSync(join(folder, 'optimizer.safetensors'))
        bytes[bytes.length - 1]! ^= 1
        writeFileSync(join(folder, 'optimizer.safetensors'), bytes)
      },
      /optimizer\.safetensors: expected sha-256 [0-9a-f]{64}; found [0-9a-f]{64}\./,
    ],
  ])('%s', async (_, damage, message) => {
    const folder = temporaryFolder()
    await saveCheckpoint(folder, '1-00000003', content)
    damage(join(folder, '1-00000003'))
    await expect(loadCheckpoint(join(folder, '1-00000003'))).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringMatching(message) as string,
    })
  })
})

describe('removeUnfinished', () => {
  test('takes away what ended attempts left half written, and nothing else', async () => {
    const folder = temporaryFolder()
    for (const name of ['.tmp-1-00000003', '.tmp-2-00000003', '1-00000002', 'other']) mkdirSync(join(folder, name))
    writeFileSync(join(folder, '.tmp-1-00000003', 'model.safetensors'), 'half')
    await removeUnfinished(folder, (attempt) => attempt === 1)
    expect(existsSync(join(folder, '.tmp-1-00000003'))).toBe(false)
    expect(readdirSync(folder).sort()).toEqual(['.tmp-2-00000003', '1-00000002', 'other'])
  })
})
