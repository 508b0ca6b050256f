// Pixels by rule, and the native loader beside the plain filler: the same bits, whatever the workers, from memory and from a
// file; nothing of it is left once it is closed.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, type TestContext } from 'vitest'
import { findAddonProblem } from '../../../src/trainer/addon.ts'
import { bytesOf, imageSize, type Dataset, type Split } from '../../../src/trainer/datasets/dataset.ts'
import type { BatchFiller, FillerOptions } from '../../../src/trainer/input/filler.ts'
import { createNativeFiller } from '../../../src/trainer/input/native-filler.ts'
import { createPlainFiller } from '../../../src/trainer/input/plain-filler.ts'
import { createRandom } from '../../../src/trainer/random.ts'
import { augmentationOf, paddedCrop, randomResizedCrop } from '../fixtures/augmentation.ts'
import { datasetOf } from '../fixtures/datasets.ts'
import { temporaryFolder } from '../fixtures/temporary-folder.ts'

const problem = findAddonProblem()
const skipWithoutAddon = (context: TestContext): void => context.skip(problem !== null, problem ?? '')

interface Fill {
  indices?: readonly number[]
  epoch?: number | null
}

async function fill(filler: BatchFiller, dataset: Dataset, { indices, epoch = 1 }: Fill = {}): Promise<Float32Array> {
  const chosen = Uint32Array.from(indices ?? Array.from({ length: dataset.train.count }, (_, index) => index))
  const images = new Float32Array(chosen.length * imageSize(dataset.shape)).fill(NaN)
  await filler.fill({ split: 'train', augmentedFor: epoch, indices: chosen, images })
  return images
}

/** Grey levels are themselves: mean 0 and a deviation of one level. */
function plainLevels(dataset: Dataset): Dataset {
  const { channels } = dataset.shape
  const normalisation = { mean: Array<number>(channels).fill(0), deviation: Array<number>(channels).fill(1 / 255) }
  return { ...dataset, normalisation }
}

async function plain(dataset: Dataset, options: Partial<FillerOptions> = {}, what?: Fill): Promise<number[]> {
  const filler = createPlainFiller(dataset, { seed: 0, augmentation: null, ...options })
  const images = await fill(filler, dataset, what)
  filler.close()
  return [...images].map((value) => Math.round(value * 1e4) / 1e4)
}

describe('pixels', () => {
  const shape = { channels: 1, height: 2, width: 3 }
  const image = [1, 2, 3, 4, 5, 6]
  const dataset = plainLevels(datasetOf({ shape, classes: 1, train: [image], validation: [image] }))

  test('of the right size are copied', async () => {
    expect(await plain(dataset)).toEqual(image)
  })

  test('are mirrored row by row', async () => {
    const seen = new Set<string>()
    for (let epoch = 1; epoch <= 20; epoch += 1) {
      seen.add((await plain(dataset, { augmentation: augmentationOf({ horizontalFlip: true }) }, { epoch })).join())
    }
    expect([...seen].sort()).toEqual(['1,2,3,4,5,6', '3,2,1,6,5,4'])
  })

  test('are shifted, and black comes in: zero before normalisation', async () => {
    const shifted = { ...dataset, normalisation: { mean: [2 / 255], deviation: [1 / 255] } }
    const augmentation = augmentationOf({ randomCrop: { padding: 1 } })
    const seen = new Set<string>()
    for (let epoch = 1; epoch <= 200; epoch += 1) seen.add((await plain(shifted, { augmentation }, { epoch })).join())
    expect(seen.size).toBe(9)
    expect(seen).toContain('-1,0,1,2,3,4')
    expect(seen).toContain('-2,-2,-2,-2,-1,0')
    expect(seen).toContain('3,4,-2,-2,-2,-2')
  })

  test('are scaled as torch.nn.functional.interpolate does, half a pixel from the border', async () => {
    // torch.nn.functional.interpolate([[[[1, 2, 3], [4, 5, 6]]]], size=(4, 6), mode='bilinear')
    const rows = [
      [1, 1.25, 1.75, 2.25, 2.75, 3],
      [1.75, 2, 2.5, 3, 3.5, 3.75],
      [3.25, 3.5, 4, 4.5, 5, 5.25],
      [4, 4.25, 4.75, 5.25, 5.75, 6],
    ]
    const scaled = { ...dataset, shape: { ...shape, height: 4, width: 6 } }
    expect(await plain(scaled)).toEqual(rows.flat())
  })

  test('in a hole are zero, the mean', async () => {
    const augmentation = augmentationOf({ cutout: { size: 1 } })
    const holed = await plain(dataset, { augmentation })
    expect(holed.filter((value) => value === 0)).toHaveLength(1)
    expect(holed.filter((value, index) => value === image[index])).toHaveLength(5)
  })
})

/** Images of noise, of one size or of many. */
function noise(
  shape: Dataset['shape'],
  { varied, channels = shape.channels }: { varied: boolean; channels?: number },
): Dataset {
  const random = createRandom({ seed: 1, stream: 'shapes', substream: channels })
  const sides = Array.from({ length: 24 }, () =>
    varied ? { height: 10 + random.below(40), width: 10 + random.below(40) } : shape,
  )
  const offsets: number[] = []
  let bytes = 0
  for (const { height, width } of sides) {
    offsets.push(bytes)
    bytes += channels * height * width
  }
  const split: Split = {
    count: sides.length,
    labels: new Uint16Array(sides.length),
    images: {
      source: { kind: 'MEMORY', bytes: Uint8Array.from({ length: bytes }, () => random.below(256)) },
      offsets: Float64Array.from(offsets),
      heights: Uint32Array.from(sides, ({ height }) => height),
      widths: Uint32Array.from(sides, ({ width }) => width),
    },
  }
  const normalisation = { mean: [0.2, 0.3, 0.4].slice(0, channels), deviation: [0.5, 0.6, 0.7].slice(0, channels) }
  return { name: 'noise', shape, classes: ['a'], train: split, validation: split, normalisation, skipped: [] }
}

const augmentations = {
  none: null,
  'padded crop, flip and hole': paddedCrop,
  'random resized crop and flip': randomResizedCrop,
  'crops that fall back to the middle': augmentationOf({
    randomResizedCrop: { minScale: 0.9, minRatio: 3, maxRatio: 4 },
    cutout: { size: 5 },
  }),
}

describe.each(Object.entries(augmentations))('the native loader with augmentation: %s', (_, augmentation) => {
  test.for([
    ['grey images of one size', { channels: 1, height: 28, width: 28 }, false],
    ['colour images of one size', { channels: 3, height: 32, width: 32 }, false],
    ['images of many sizes', { channels: 3, height: 24, width: 20 }, true],
    ['images that are all enlarged', { channels: 1, height: 61, width: 70 }, true],
  ] as const)('gives the numbers of the plain filler in every bit: %s', async ([, shape, varied], context) => {
    skipWithoutAddon(context)
    const dataset = noise(shape, { varied })
    const options = { seed: 2 ** 40 + 5, augmentation }
    const plainFiller = createPlainFiller(dataset, options)
    for (const workers of [1, 3]) {
      const native = createNativeFiller(dataset, { ...options, workers })
      for (const epoch of [null, 1, 77]) {
        const expected = await fill(plainFiller, dataset, { epoch })
        const found = await fill(native, dataset, { epoch })
        expect(Buffer.compare(Buffer.from(found.buffer), Buffer.from(expected.buffer))).toBe(0)
      }
      native.close()
    }
  })
})

describe('the native loader', () => {
  const dataset = noise({ channels: 3, height: 24, width: 24 }, { varied: true })
  const options = { seed: 3, augmentation: randomResizedCrop }

  test('gives an image the same whatever batch it is in', async (context) => {
    skipWithoutAddon(context)
    const native = createNativeFiller(dataset, { ...options, workers: 2 })
    const whole = await fill(native, dataset)
    const size = imageSize(dataset.shape)
    const few = await fill(native, dataset, { indices: [20, 3, 3] })
    for (const [row, index] of [20, 3, 3].entries()) {
      expect(few.subarray(row * size, (row + 1) * size)).toEqual(whole.subarray(index * size, (index + 1) * size))
    }
    native.close()
  })

  test('reads a file as it reads memory, and so does the plain filler', async (context) => {
    skipWithoutAddon(context)
    const file = join(temporaryFolder(), 'images')
    writeFileSync(file, Buffer.concat([Buffer.alloc(100, 7), bytesOf(dataset.train)]))
    const { images } = dataset.train
    const split: Split = {
      ...dataset.train,
      images: { ...images, source: { kind: 'FILE', path: file }, offsets: images.offsets.map((at) => at + 100) },
    }
    const onDisk = { ...dataset, train: split, validation: split }
    const expected = await fill(createPlainFiller(dataset, options), dataset)
    const native = createNativeFiller(onDisk, { ...options, workers: 1 })
    const plainFiller = createPlainFiller(onDisk, options)
    expect(await fill(native, onDisk)).toEqual(expected)
    expect(await fill(plainFiller, onDisk)).toEqual(expected)
    native.close()
    plainFiller.close()
  })

  test('refuses a file that is gone, and tables that leave it', (context) => {
    skipWithoutAddon(context)
    const file = join(temporaryFolder(), 'images')
    const split = {
      ...dataset.train,
      images: { ...dataset.train.images, source: { kind: 'FILE' as const, path: file } },
    }
    const onDisk = { ...dataset, train: split }
    expect(() => createNativeFiller(onDisk, { ...options, workers: 1 })).toThrow(
      expect.objectContaining({
        code: 'DATASET_INVALID',
        message: expect.stringContaining(`${file}: No such file`) as string,
      }),
    )
    writeFileSync(file, bytesOf(dataset.train).subarray(1))
    expect(() => createNativeFiller(onDisk, { ...options, workers: 1 })).toThrow('image 23 lies outside its file')
  })

  test('closed in the middle of its work answers what was asked, and leaves neither threads nor mappings', async (context) => {
    skipWithoutAddon(context)
    const file = join(temporaryFolder(), 'decoded images')
    writeFileSync(file, bytesOf(dataset.train))
    const split = {
      ...dataset.train,
      images: { ...dataset.train.images, source: { kind: 'FILE' as const, path: file } },
    }
    const large = { ...dataset, shape: { channels: 3, height: 512, width: 512 }, train: split, validation: split }
    const threads = threadCount()
    for (let turn = 0; turn < 3; turn += 1) {
      const native = createNativeFiller(large, { ...options, workers: 2 })
      expect(threadCount()).toBe(threads === null ? null : threads + 2)
      const asked = [1, 2, 3].map((epoch) => fill(native, large, { epoch }))
      const settled = Promise.allSettled(asked)
      native.close()
      native.close()
      for (const result of await settled) {
        if (result.status === 'rejected') expect(String(result.reason)).toContain('the loader was closed')
      }
      await expect(fill(native, large)).rejects.toThrow('the loader was closed')
    }
    expect(threadCount()).toBe(threads)
    if (process.platform === 'linux') expect(readFileSync('/proc/self/maps', 'utf8')).not.toContain('decoded images')
  })
})

function threadCount(): number | null {
  return process.platform === 'linux' ? readdirSync('/proc/self/task').length : null
}
