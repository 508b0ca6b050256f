// The built-in dataset: the same images everywhere, every class alike often, no image twice.
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { shapesDataset } from '../../src/shared/datasets.ts'
import { bytesOf, type Dataset } from '../../src/trainer/datasets/dataset.ts'
import { drawShapes, openShapes } from '../../src/trainer/datasets/shapes.ts'

function hash(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe('shapes', () => {
  let dataset: Dataset
  beforeAll(() => {
    dataset = drawShapes()
  })

  test('is what its description says', () => {
    expect(dataset).toMatchObject({
      name: 'shapes',
      shape: { channels: shapesDataset.channels, height: shapesDataset.height, width: shapesDataset.width },
      classes: shapesDataset.classes,
      train: { count: shapesDataset.trainImages },
      validation: { count: shapesDataset.validationImages },
    })
    expect(bytesOf(dataset.train)).toHaveLength(12_000 * 28 * 28)
    expect(bytesOf(dataset.validation)).toHaveLength(2_000 * 28 * 28)
  })

  test('has the same bytes on every machine', () => {
    expect(hash(bytesOf(dataset.train))).toMatchInlineSnapshot(
      `"0016a8116e48be2416a00a7029ecf77fbcbcb89aeb2d5c8e3785a5bcf4773c04"`,
    )
    expect(hash(bytesOf(dataset.validation))).toMatchInlineSnapshot(
      `"c2a9b27dcb6ae8e71fc8cea22be63cdb820e6b778c01c241ad09fb24b41a7799"`,
    )
    expect(dataset.normalisation).toMatchInlineSnapshot(`
      {
        "deviation": [
          0.313347709460522,
        ],
        "mean": [
          0.40267403794851275,
        ],
      }
    `)
  })

  test('holds each class equally often', () => {
    for (const [split, each] of [
      [dataset.train, 1200],
      [dataset.validation, 200],
    ] as const) {
      const counts = new Array<number>(10).fill(0)
      split.labels.forEach((label) => {
        counts[label]! += 1
      })
      expect(counts).toEqual(new Array(10).fill(each))
    }
  })

  test('draws no image twice, nor one of the training images for validation', () => {
    const seen = new Set<string>()
    for (const split of [dataset.train, dataset.validation]) {
      const bytes = bytesOf(split)
      for (let start = 0; start < bytes.length; start += 784) seen.add(hash(bytes.subarray(start, start + 784)))
    }
    expect(seen.size).toBe(14_000)
  })

  test('a smaller set is the beginning of the larger, another seed another set', () => {
    const small = drawShapes({ trainImages: 20, validationImages: 10 })
    expect(Buffer.compare(bytesOf(small.train), bytesOf(dataset.train).subarray(0, 20 * 784))).toBe(0)
    const other = drawShapes({ seed: 1, trainImages: 20, validationImages: 10 })
    expect(Buffer.compare(bytesOf(other.train), bytesOf(small.train))).not.toBe(0)
    expect([...other.train.labels]).toEqual([...small.train.labels])
  })

  test('opened, it draws what is asked for alone, and says the same of the whole', () => {
    const opened = openShapes()
    const asked = Uint32Array.of(11_999, 3, 3)
    for (const name of ['train', 'validation'] as const) {
      const [split, whole] = [opened[name], dataset[name]]
      const wanted = asked.filter((index) => index < split.count)
      split.prepare?.(wanted)
      const expected = new Uint8Array(split.count * 784)
      for (const index of wanted) {
        expected.set(bytesOf(whole).subarray(index * 784, (index + 1) * 784), index * 784)
      }
      expect(Buffer.compare(bytesOf(split), expected)).toBe(0)
      expect(split.labels).toEqual(whole.labels)
    }
    expect(opened.normalisation).toEqual(dataset.normalisation)
  })
})
