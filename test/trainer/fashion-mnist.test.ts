// The real Fashion-MNIST files, where they are: read whole, and learned from.
import { describe, expect, test } from 'vitest'
import { openDataset } from '../../src/trainer/datasets/open.ts'
import { dataRoots, findData } from './fixtures/shared-data.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'
import { readEvents, runAttempt, writeAttempt, writeRun } from './fixtures/trainer-process.ts'

const { path, reason } = findData('fashion-mnist')

describe('Fashion-MNIST', () => {
  test('is read whole, with its published mean and deviation', async (context) => {
    if (path === null) context.skip(reason)
    const dataset = await openDataset('fashion-mnist', dataRoots, { cacheFolder: temporaryFolder() })
    expect(dataset).toMatchObject({
      shape: { channels: 1, height: 28, width: 28 },
      train: { count: 60_000 },
      validation: { count: 10_000 },
    })
    for (const [split, each] of [
      [dataset.train, 6000],
      [dataset.validation, 1000],
    ] as const) {
      const counts = new Array<number>(10).fill(0)
      split.labels.forEach((label) => {
        counts[label]! += 1
      })
      expect(counts).toEqual(new Array(10).fill(each))
    }
    expect(dataset.normalisation.mean[0]).toBeCloseTo(0.286, 3)
    expect(dataset.normalisation.deviation[0]).toBeCloseTo(0.353, 3)
  })

  test('is learned from: far better than chance after a few steps', async (context) => {
    if (path === null) context.skip(reason)
    const directory = writeRun(temporaryFolder(), {
      dataset: 'fashion-mnist',
      trainImages: 2048,
      validationImages: 500,
      epochs: 2,
      globalBatch: 64,
      optimizer: { kind: 'ADAM' },
      learningRate: 0.001,
    })
    writeAttempt(directory, 1, { datasetRoots: dataRoots })
    expect((await runAttempt(directory)).code).toBe(0)
    const epochs = readEvents(directory).flatMap((event) => (event.type === 'epoch' ? [event] : []))
    expect(epochs).toHaveLength(2)
    expect(epochs[1]?.accuracy).toBeGreaterThan(0.6)
    expect(epochs[1]?.trainLoss).toBeLessThan(epochs[0]?.trainLoss ?? 0)
  })
})
