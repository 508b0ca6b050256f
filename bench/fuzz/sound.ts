// The sound files that mutants are made of: those that PyTorch made for the tests, and our own.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openBytes } from '../../src/trainer/checkpoints/formats/file-bytes.ts'
import { encodeTorchFile, torchStateDict } from '../../src/trainer/checkpoints/formats/torch-writer.ts'
import { entryRun, readZipDirectory } from '../../src/trainer/checkpoints/formats/zip.ts'
import { encodeSafetensors } from '../../src/trainer/checkpoints/safetensors.ts'
import { toRawTensors } from '../../src/trainer/checkpoints/state-dict.ts'
import type { StateDict } from '../../src/trainer/engine.ts'
import type { Sound } from './mutate.ts'

const fixtures = fileURLToPath(new URL('../../test/trainer/checkpoints/fixtures/', import.meta.url))

const state: StateDict = new Map([
  ['conv1.weight', { shape: [2, 1, 3, 3], data: new Float32Array(18).fill(0.5) }],
  ['bn1.num_batches_tracked', { shape: [], data: Float32Array.of(7) }],
  ['fc.bias', { shape: [3], data: Float32Array.of(7, 8, 9) }],
])

export async function soundFiles(): Promise<Sound[]> {
  const names = readdirSync(fixtures).filter((name) => /\.(pth|tar|ckpt)$/.test(name))
  const safetensors = encodeSafetensors({ tensors: toRawTensors(state), metadata: { format: 'pt' } })
  return [
    ...(await Promise.all(names.map(taken))),
    { name: 'model.safetensors', bytes: Buffer.concat(safetensors), records: null },
    {
      name: 'wide.pth',
      bytes: Buffer.concat([...encodeTorchFile(torchStateDict(state), { wideFrom: 1 }).pieces]),
      records: null,
    },
  ]
}

async function taken(name: string): Promise<Sound> {
  const path = join(fixtures, name)
  const bytes = readFileSync(path)
  return { name, bytes, records: bytes.toString('latin1', 0, 2) === 'PK' ? await recordsOf(path) : null }
}

async function recordsOf(path: string): Promise<Map<string, Buffer>> {
  const file = await openBytes(path)
  try {
    const records = new Map<string, Buffer>()
    for (const entry of readZipDirectory(file).values()) {
      const content = Buffer.alloc(entry.bytes)
      const reader = entryRun(file, entry).open(0)
      await reader.fill(content)
      reader.close()
      records.set(entry.name, content)
    }
    return records
  } finally {
    await file.close()
  }
}
