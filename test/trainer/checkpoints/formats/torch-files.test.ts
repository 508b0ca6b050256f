// Files that PyTorch made, in every form it writes: each tensor as PyTorch itself reads it.
import { describe, expect, test } from 'vitest'
import { eachValue, isTensor } from '../../../../src/trainer/checkpoints/formats/file-values.ts'
import { openTensorFile } from '../../../../src/trainer/checkpoints/formats/open.ts'
import { asExpected, expected, expectedTensors, fixtureFile, tensorsByPath } from '../fixtures/expected.ts'

const legacy = new Set(['training-adamw.pth', ...Object.keys(expected.files).filter((name) => name.includes('legacy'))])

describe.each(Object.keys(expected.files))('%s', (name) => {
  test('has the tensors that PyTorch reads, value by value', async () => {
    const file = await openTensorFile(fixtureFile(name))
    try {
      expect(file.format).toBe(legacy.has(name) ? 'TORCH_LEGACY' : 'TORCH_ZIP')
      const found = tensorsByPath(file.root)
      const read = await Promise.all(
        found.map(async ([path, tensor]) => [path, asExpected(tensor, await file.readFloats(tensor))] as const),
      )
      expect(Object.fromEntries(read)).toEqual(expectedTensors(name))
      const together = await file.readAll(found.map(([, tensor]) => tensor))
      const again = found.map(([path, tensor], index) => [path, asExpected(tensor, together[index]!)])
      expect(Object.fromEntries(again)).toEqual(expectedTensors(name))
    } finally {
      await file.close()
    }
  })
})

async function devicesOf(name: string): Promise<string[]> {
  const file = await openTensorFile(fixtureFile(name))
  await file.close()
  return [...new Set([...eachValue(file.root)].filter(isTensor).map(({ storage }) => storage.device))]
}

test.each([
  ['state-dict.pth', 'cpu'],
  ['cuda-tags.pth', 'cuda:3'],
  ['cuda-tags-legacy.pth', 'cuda:3'],
  ['whole-data-parallel.pth', 'cuda:1'],
])('%s says its tensors were on %s', async (name, device) => {
  expect(await devicesOf(name)).toEqual([device])
})
