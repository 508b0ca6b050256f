// Our side of the `checkpoint` bench: answers {load}, {save}, {saveWhole}, {saveFolder} and {loadFolder}, each a path, with
// {seconds, peakBytes}: memory beyond what the process had before. Needs --expose-gc.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { isDict, isTensor } from '../../src/trainer/checkpoints/formats/file-values.ts'
import { openTensorFile } from '../../src/trainer/checkpoints/formats/open.ts'
import { encodeTorchFile, torchStateDict } from '../../src/trainer/checkpoints/formats/torch-writer.ts'
import { encodeSafetensors } from '../../src/trainer/checkpoints/safetensors.ts'
import { toRawTensors } from '../../src/trainer/checkpoints/state-dict.ts'
import { readVerifiedTensors } from '../../src/trainer/checkpoints/verified-tensors.ts'
import { writeWholeFile } from '../../src/trainer/checkpoints/whole-file.ts'
import { writePieces, type WrittenFile } from '../../src/trainer/checkpoints/write-pieces.ts'
import type { StateDict } from '../../src/trainer/engine.ts'
import { forgetPeak, peakMemoryBytes } from '../machine.ts'

const path = z.string()
const requestSchema = z.union([
  z.object({ load: path }),
  z.object({ save: path }),
  z.object({ saveWhole: path }),
  z.object({ saveFolder: path }),
  z.object({ loadFolder: path }),
])

const collect = global.gc
if (collect === undefined) throw new Error('expected --expose-gc')

async function load(file: string): Promise<StateDict> {
  const opened = await openTensorFile(file)
  try {
    const entries = isDict(opened.root) ? [...opened.root.entries] : []
    const tensors = entries.flatMap(([name, tensor]) => (isTensor(tensor) ? [{ name: name as string, tensor }] : []))
    const values = await opened.readAll(tensors.map(({ tensor }) => tensor))
    return new Map(
      tensors.map(({ name, tensor }, at) => [name, { shape: tensor.shape, data: values[at] as Float32Array }]),
    )
  } finally {
    await opened.close()
  }
}

/** As torch.save does: checksums, and no wait for the disk. */
async function save(file: string, state: StateDict): Promise<void> {
  const handle = await open(file, 'w')
  try {
    await writePieces(handle, encodeTorchFile(torchStateDict(state)).pieces)
  } finally {
    await handle.close()
  }
}

async function measured<T>(
  work: () => Promise<T>,
): Promise<{ result: T; answer: { seconds: number; peakBytes: number } }> {
  collect?.()
  const before = forgetPeak()
  const startedAt = performance.now()
  const result = await work()
  const seconds = (performance.now() - startedAt) / 1000
  return { result, answer: { seconds, peakBytes: peakMemoryBytes(process.pid) - before } }
}

async function main(): Promise<void> {
  // What is loaded and compiled on first use is so now.
  const folder = mkdtempSync(join(tmpdir(), 'trainql-bench-'))
  const small = join(folder, 'small.pth')
  await save(small, new Map([['x', { shape: [2], data: Float32Array.of(1, 2) }]]))
  await load(small)
  rmSync(folder, { recursive: true })
  writeFileSync(1, `${JSON.stringify({ ready: true })}\n`)

  let state: StateDict = new Map()
  let written: WrittenFile = { bytes: 0, sha256: '' }
  for await (const line of createInterface({ input: process.stdin })) {
    const request = requestSchema.parse(JSON.parse(line))
    if ('load' in request || 'loadFolder' in request) {
      state = new Map()
      const { result, answer } = await measured(() =>
        'load' in request ? load(request.load) : readVerifiedTensors(request.loadFolder, written),
      )
      state = result
      say(answer)
    } else if ('save' in request) say((await measured(() => save(request.save, state))).answer)
    else {
      const pieces =
        'saveWhole' in request
          ? encodeTorchFile(torchStateDict(state)).pieces
          : encodeSafetensors({ tensors: toRawTensors(state), metadata: { format: 'pt' } })
      const file = 'saveWhole' in request ? request.saveWhole : request.saveFolder
      const { result, answer } = await measured(() => writeWholeFile(file, pieces))
      written = result
      say(answer)
    }
  }
}

function say(answer: unknown): void {
  writeFileSync(1, `${JSON.stringify(answer)}\n`)
}

await main()
