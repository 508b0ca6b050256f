// CIFAR-10's binary files: exact contents, and every kind of damage named by file, offset, expected and found.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { getDataset } from '../../src/shared/datasets.ts'
import { bytesOf, type Dataset } from '../../src/trainer/datasets/dataset.ts'
import { openDataset } from '../../src/trainer/datasets/open.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'

const recordBytes = 3073

/** A record of one colour. */
function record(label: number, [red, green, blue]: readonly [number, number, number]): Buffer {
  const planes = [red, green, blue].map((level) => Buffer.alloc(1024, level))
  return Buffer.concat([Buffer.of(label), ...planes])
}

let root: string
let folder: string
beforeEach(() => {
  root = temporaryFolder()
  folder = root
  for (let batch = 1; batch <= 5; batch += 1) {
    const records = [0, 1].map((index) => record((batch + index) % 10, [10 * batch + index, 7, 255]))
    writeFileSync(join(folder, `data_batch_${batch}.bin`), Buffer.concat(records))
  }
  writeFileSync(join(folder, 'test_batch.bin'), record(9, [1, 2, 3]))
})

const name = (): string => folder.slice(folder.lastIndexOf('/') + 1)
const open = (options = {}): Promise<Dataset> =>
  openDataset(name(), [root], { cacheFolder: join(root, 'cache'), ...options })

describe('CIFAR-10 files', () => {
  test('are read in order, labels apart, with the published class names', async () => {
    const dataset = await open()
    expect(dataset).toMatchObject({
      shape: { channels: 3, height: 32, width: 32 },
      train: { count: 10, labels: Uint16Array.of(1, 2, 2, 3, 3, 4, 4, 5, 5, 6) },
      validation: { count: 1, labels: Uint16Array.of(9) },
      skipped: [],
    })
    expect(dataset.classes.slice(0, 3)).toEqual(['airplane', 'automobile', 'bird'])
    const bytes = bytesOf(dataset.train)
    expect(bytes).toHaveLength(10 * 3072)
    const planes = [0, 1, 2].map(
      (plane) => new Set(bytes.subarray(9 * 3072 + plane * 1024, 9 * 3072 + (plane + 1) * 1024)),
    )
    expect(planes).toEqual([new Set([51]), new Set([7]), new Set([255])])
    expect(dataset.normalisation.mean).toEqual([30.5 / 255, 7 / 255, 1])
    expect(dataset.normalisation.deviation[0]).toBeCloseTo(Math.sqrt(200.25) / 255, 12)
  })

  test('are listed from their sizes and names', async () => {
    writeFileSync(
      join(folder, 'batches.meta.txt'),
      Array.from({ length: 10 }, (_, label) => `class ${label}\n`).join(''),
    )
    expect(await getDataset(name(), [root])).toMatchObject({
      kind: 'CIFAR10',
      trainImages: 10,
      validationImages: 1,
      channels: 3,
      height: 32,
      width: 32,
      classes: Array.from({ length: 10 }, (_, label) => `class ${label}`),
      path: folder,
    })
  })

  test('can be shown larger, scaled as they are put into a batch', async () => {
    const { shape, train } = await open({ imageSize: { height: 40, width: 64 } })
    expect(shape).toEqual({ channels: 3, height: 40, width: 64 })
    expect(train.images.heights[0]).toBe(32)
  })
})

describe('damaged CIFAR-10 files are refused', () => {
  test.each([
    [
      'cut short',
      Buffer.alloc(recordBytes + 1000),
      `at byte 3073 expected the end, or a record of 3073 bytes; found 1000 bytes.`,
    ],
    ['empty', Buffer.alloc(0), 'at byte 0 expected a record of 3073 bytes; found 0 bytes.'],
    [
      'with a label out of range',
      Buffer.concat([record(1, [0, 0, 0]), record(10, [0, 0, 0])]),
      'at byte 3073 expected a label from 0 to 9; found 10.',
    ],
  ])('%s', async (_, bytes, message) => {
    writeFileSync(join(folder, 'data_batch_3.bin'), bytes)
    await expect(open()).rejects.toMatchObject({
      code: 'DATASET_INVALID',
      message: `${join(folder, 'data_batch_3.bin')}: ${message}`,
      fix: 'Replace data_batch_3.bin with an undamaged copy.',
    })
  })

  test.each(['data_batch_5.bin', 'test_batch.bin'])('without %s', async (file) => {
    rmSync(join(folder, file))
    await expect(open()).rejects.toMatchObject({
      code: 'DATASET_INVALID',
      message: `${join(folder, file)}: expected this file beside the others of CIFAR-10; it is not there.`,
      fix: `Put ${file} into ${folder}.`,
    })
  })
})
