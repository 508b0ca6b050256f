// EXPORT: a checkpoint folder as one file, there whole or not at all.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { askCheckpointProcess } from '../../../src/shared/checkpoint-process.ts'
import { decodeSafetensors } from '../../../src/trainer/checkpoints/safetensors.ts'
import { fromRawTensors } from '../../../src/trainer/checkpoints/state-dict.ts'
import { writeWholeFile } from '../../../src/trainer/checkpoints/whole-file.ts'
import { resnet } from '../../../src/trainer/models/resnet.ts'
import { generateState } from '../../engine/generate.ts'
import { writeCheckpointFolder } from '../fixtures/checkpoint-folder.ts'
import { exportCheckpoint } from '../fixtures/export.ts'
import { suiteFolder, temporaryFolder } from '../fixtures/temporary-folder.ts'

const model = { architecture: 'RESNET18', classes: 7, input: { channels: 1, height: 28, width: 28 } } as const
const state = generateState(resnet(model), 3)
const folder = suiteFolder()
let checkpoint = ''

beforeAll(async () => {
  checkpoint = await writeCheckpointFolder(folder, { state, model })
})

describe('a safetensors file', () => {
  test('has every tensor by its canonical name, and what the checkpoint is; the process says its bytes and hash', async () => {
    const out = join(temporaryFolder(), 'model.safetensors')
    writeFileSync(out, 'of before')
    const progress: number[] = []
    const answer = await askCheckpointProcess(
      { action: 'EXPORT', file: checkpoint, out, format: 'SAFETENSORS' },
      { onProgress: ({ doneBytes }) => progress.push(doneBytes) },
    )
    const bytes = readFileSync(out)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    expect(answer).toEqual({
      kind: 'EXPORTED',
      exported: { out, format: 'SAFETENSORS', bytes: bytes.length, sha256 },
    })
    expect(progress.length).toBeGreaterThan(0)
    expect(progress.every((done) => done <= bytes.length)).toBe(true)
    const { tensors, metadata } = decodeSafetensors(bytes, out)
    const read = fromRawTensors(tensors, out)
    expect([...read.keys()].sort()).toEqual([...state.keys()].sort())
    for (const [name, { shape, data }] of state) {
      expect(read.get(name)?.shape).toEqual(shape)
      // By the bytes: to compare millions of values one by one takes half a minute.
      expect(Buffer.from(read.get(name)!.data.buffer).equals(Buffer.from(data.buffer))).toBe(true)
    }
    expect(metadata).toMatchObject({ format: 'pt', architecture: 'resnet18', run: 'a-run', epoch: '2', step: '20' })
  })
})

describe('an export is refused', () => {
  test.each([
    ['into a folder that is not there', 'absent/model.onnx', /^Expected a file in a folder that is there; /],
    ['onto a folder', 'taken', /^Expected the name of a file; .*taken is a folder\.$/],
    ['into a checkpoint', '1-00000020/model.safetensors', /^Expected a file outside of checkpoints; /],
  ])('%s', async (_, name, message) => {
    const parent = temporaryFolder()
    mkdirSync(join(parent, 'taken'))
    mkdirSync(join(parent, '1-00000020'))
    writeFileSync(join(parent, '1-00000020', 'manifest.json'), '{}')
    const before = readdirSync(parent, { recursive: true })
    const exporting = exportCheckpoint({ file: checkpoint, out: join(parent, name), format: 'ONNX' })
    await expect(exporting).rejects.toMatchObject({
      ...{ code: 'INVALID_INPUT', field: 'out' },
      message: expect.stringMatching(message) as string,
    })
    expect(readdirSync(parent, { recursive: true })).toEqual(before)
  })

  test('of what is no checkpoint, which the process says', async () => {
    const parent = temporaryFolder()
    const out = join(parent, 'model.onnx')
    const answer = await askCheckpointProcess({ action: 'EXPORT', file: parent, out, format: 'ONNX' })
    expect(answer).toMatchObject({ kind: 'FAILED', code: 'CHECKPOINT_INVALID', report: null })
    expect(readdirSync(parent)).toEqual([])
  })
})

describe('a whole file', () => {
  test('leaves the one before in place and nothing else where writing fails', async () => {
    const parent = temporaryFolder()
    const file = join(parent, 'model')
    writeFileSync(file, 'of before')
    function* failing(): Iterable<Uint8Array> {
      yield Buffer.from('half')
      throw new Error('no more')
    }
    await expect(writeWholeFile(file, failing())).rejects.toThrow('no more')
    expect(readFileSync(file, 'utf8')).toBe('of before')
    expect(readdirSync(parent)).toEqual(['model'])
  })
})
