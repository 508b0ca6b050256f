// Image folders: what is decoded, to which size, what is kept of it and for how long, and what damaged files say.
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { beforeEach, describe, expect, test } from 'vitest'
import { ownIdentity } from '../../src/shared/process-identity.ts'
import { imageSize, type Dataset, type Split } from '../../src/trainer/datasets/dataset.ts'
import { openDataset, type OpenDatasetOptions } from '../../src/trainer/datasets/open.ts'
import { createPlainFiller } from '../../src/trainer/input/plain-filler.ts'
import { png, raw, writeFiles, writeSmallFolder } from './fixtures/image-folders.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'

let root: string
let folder: string
let cacheFolder: string
let said: string[]
beforeEach(() => {
  root = temporaryFolder()
  folder = join(root, 'pets')
  cacheFolder = join(root, 'cache')
  said = []
})

function open(options: Partial<OpenDatasetOptions> = {}): Promise<Dataset> {
  return openDataset('pets', [root], { cacheFolder, say: (line) => said.push(line), ...options })
}

/** The stored bytes (C, H, W) of an image. */
function stored({ images: { source, offsets, heights, widths } }: Split, index: number): number[] {
  if (source.kind !== 'FILE') throw new Error('not in a file')
  const start = offsets[index] as number
  return [...readFileSync(source.path).subarray(start, start + 3 * heights[index]! * widths[index]!)]
}

/** The distinct levels of each channel. */
function colour(split: Split, index: number): number[] {
  const bytes = stored(split, index)
  const plane = bytes.length / 3
  return [0, 1, 2].flatMap((channel) => [...new Set(bytes.slice(channel * plane, (channel + 1) * plane))])
}

const sets = (): string[] => readdirSync(cacheFolder).filter((file) => file.endsWith('.images'))

describe('what is decoded', () => {
  test('is every image, with its class from its folder, and the normalisation of the training images', async () => {
    await writeSmallFolder(folder)
    writeFiles(folder, {
      'train/cat/notes.txt': 'no image',
      'train/cat/.hidden.png': 'no image',
      'train/index.png': '',
    })
    const dataset = await open()
    expect(dataset).toMatchObject({
      name: 'pets',
      shape: { channels: 3, height: 8, width: 6 },
      classes: ['cat', 'dog'],
      train: { count: 6, labels: Uint16Array.of(0, 0, 0, 1, 1, 1) },
      validation: { count: 2, labels: Uint16Array.of(0, 1) },
      skipped: [],
    })
    expect(Array.from({ length: 6 }, (_, index) => colour(dataset.train, index))).toEqual(
      [0, 1, 2, 100, 101, 102].map((red) => [red, 50, 200]),
    )
    expect(colour(dataset.validation, 1)).toEqual([190, 50, 200])
    const { mean, deviation } = dataset.normalisation
    expect(mean).toEqual([306 / 6 / 255, 50 / 255, 200 / 255])
    expect(deviation[0]).toBeCloseTo(Math.sqrt(2500 + 2 / 3) / 255, 12)
    expect(deviation.slice(1)).toEqual([1, 1])
  })

  test('of grey, transparent, indexed, 16-bit and turned images is upright RGB', async () => {
    const paint = (x: number): [number, number, number] => (x < 2 ? [250, 0, 0] : [0, 0, 0])
    const wide = { width: 6, height: 4, paint }
    writeFiles(folder, {
      'train/a/1-grey.png': await raw(wide).greyscale().png().toBuffer(),
      'train/a/2-grey-alpha.png': await raw(wide).greyscale().ensureAlpha(0.5).png().toBuffer(),
      'train/a/3-alpha.png': await raw(wide).ensureAlpha(0.5).png().toBuffer(),
      'train/a/4-indexed.png': await raw(wide).png({ palette: true }).toBuffer(),
      'train/a/5-deep.png': await raw(wide).toColourspace('rgb16').png().toBuffer(),
      'train/a/6-lossless.webp': await raw(wide).webp({ lossless: true }).toBuffer(),
      // Stored as it lay, with the note to turn it clockwise.
      'train/a/7-TURNED.JPG': await raw({ ...wide, width: 4, height: 6, paint: (_, y) => paint(5 - y) })
        .withMetadata({ orientation: 6 })
        .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
        .toBuffer(),
      'test/a/1.png': await png(wide),
    })
    const { train, validation, shape } = await open()
    expect(shape).toEqual({ channels: 3, height: 4, width: 6 })
    const expected = stored(validation, 0)
    expect(expected.slice(0, 6)).toEqual([250, 250, 0, 0, 0, 0])
    expect(expected.slice(24, 48)).toEqual(Array(24).fill(0))
    for (const index of [2, 3, 4, 5]) expect(stored(train, index)).toEqual(expected)
    for (const index of [0, 1]) {
      const [first = NaN] = stored(train, index)
      expect(first).toBeGreaterThan(50)
      expect(stored(train, index)).toEqual(
        [0, 1, 2].flatMap(() => Array.from({ length: 24 }, (_, i) => (i % 6 < 2 ? first : 0))),
      )
    }
    const turned = stored(train, 6)
    for (const [index, value] of expected.entries()) expect(Math.abs((turned[index] ?? NaN) - value)).toBeLessThan(4)
  })
})

describe('images of many sizes', () => {
  /** Red runs from 0 to 250 along the longer side. */
  const slope = async (width: number, height: number): Promise<Buffer> =>
    png({ width, height, paint: (x, y) => [Math.round((250 * Math.max(x, y)) / (Math.max(width, height) - 1)), 9, 9] })
  beforeEach(async () => {
    writeFiles(folder, {
      'train/a/1.png': await slope(40, 20),
      'train/a/2.png': await slope(20, 40),
      'train/a/3.png': await slope(11, 11),
      'val/a/1.png': await slope(80, 40),
    })
  })

  test('are refused where no size is asked for, by name, with the size of each', async () => {
    await expect(open()).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'imageSize',
      message:
        'Expected images of one size (height x width) where imageSize is not given; train/a/1.png is 20x40, train/a/2.png is 40x20.',
    })
    expect(readdirSync(cacheFolder)).toEqual([])
  })

  test('are scaled until they cover the size asked for, and cut to its middle', async () => {
    const { shape, train, validation } = await open({ imageSize: { height: 10, width: 10 } })
    expect(shape).toEqual({ channels: 3, height: 10, width: 10 })
    for (const split of [train, validation]) {
      expect(new Set([...split.images.heights, ...split.images.widths])).toEqual(new Set([10]))
    }
    // Of 40 columns in 20, the middle 10: red from a quarter to three quarters of its way.
    const row = stored(train, 0).slice(0, 10)
    expect(row).toEqual(row.toSorted((a, b) => a - b))
    expect(Math.abs((row[0] ?? NaN) - 250 * (10.5 / 39))).toBeLessThan(3)
    expect(Math.abs((row[9] ?? NaN) - 250 * (28.5 / 39))).toBeLessThan(3)
    expect(stored(train, 1).filter((_, index) => index < 100 && index % 10 === 0)).toEqual(row)
  })

  test('are scaled by their colours alone, however transparent these are', async () => {
    // Beside each other a quarter opaque, and not at all; a whole image that has nothing to see.
    const stripes = {
      width: 20,
      height: 20,
      paint: (x: number): [number, number, number] => (x % 2 === 0 ? [200, 100, 40] : [100, 60, 20]),
    }
    const rgba = async (alphaAt: (x: number) => number): Promise<Buffer> => {
      const pixels = Array.from({ length: 400 }, (_, i) => [...stripes.paint(i % 20), alphaAt(i % 20)]).flat()
      return sharp(Uint8Array.from(pixels), { raw: { width: 20, height: 20, channels: 4 } })
        .png()
        .toBuffer()
    }
    writeFiles(folder, {
      'train/a/1.png': await png(stripes),
      'train/a/2.png': await rgba((x) => (x % 2 === 0 ? 64 : 0)),
      'train/a/3.png': await rgba(() => 0),
    })
    const { train } = await open({ imageSize: { height: 10, width: 10 } })
    const opaque = stored(train, 0)
    expect([opaque[44], opaque[144], opaque[244]]).toEqual([150, 80, 30])
    expect(stored(train, 1)).toEqual(opaque)
    expect(stored(train, 2)).toEqual(opaque)
  })

  test('keep a margin for crops of random scale: all of a training image, 256/224 of the size for validation', async () => {
    const { shape, train, validation } = await open({ imageSize: { height: 14, width: 14 }, randomScale: true })
    expect(shape).toEqual({ channels: 3, height: 14, width: 14 })
    // 14 * 256 / 224 = 16; none is enlarged.
    expect([...train.images.heights]).toEqual([16, 32, 11])
    expect([...train.images.widths]).toEqual([32, 16, 11])
    expect([...validation.images.heights, ...validation.images.widths]).toEqual([14, 14])
    // Columns 9 to 22 of 32, as CenterCrop(14) behind Resize(16).
    const row = stored(validation, 0).slice(0, 14)
    expect(Math.abs((row[0] ?? NaN) - 250 * (9.5 / 32))).toBeLessThan(3)
    expect(Math.abs((row[13] ?? NaN) - 250 * (22.5 / 32))).toBeLessThan(3)
  })

  test('that are too small are kept as they are, and enlarged as they are put into a batch', async () => {
    writeFiles(folder, { 'val/a/1.png': await slope(8, 8) })
    for (const [randomScale, side] of [
      [false, 8],
      // 224/256 of it.
      [true, 7],
    ] as const) {
      const { validation } = await open({ imageSize: { height: 16, width: 16 }, randomScale })
      expect([...validation.images.heights, ...validation.images.widths]).toEqual([side, side])
    }
    const dataset = await open({ imageSize: { height: 16, width: 16 } })
    const filler = createPlainFiller(
      { ...dataset, normalisation: { mean: [0, 0, 0], deviation: [1 / 255, 1 / 255, 1 / 255] } },
      { seed: 0, augmentation: null },
    )
    const images = new Float32Array(imageSize(dataset.shape))
    await filler.fill({ split: 'validation', augmentedFor: null, indices: Uint32Array.of(0), images })
    filler.close()
    const [first = NaN, second = NaN] = stored(dataset.validation, 0)
    expect(images[1]).toBeCloseTo(first + (second - first) / 4, 3)
  })

  test('are put into batches from what is kept', async () => {
    const dataset = await open({ imageSize: { height: 14, width: 14 }, randomScale: true })
    const filler = createPlainFiller(dataset, { seed: 0, augmentation: null })
    const images = new Float32Array(3 * imageSize(dataset.shape)).fill(NaN)
    await filler.fill({ split: 'train', augmentedFor: 1, indices: Uint32Array.of(0, 1, 2), images })
    filler.close()
    expect(images.every(Number.isFinite)).toBe(true)
  })
})

describe('what is kept', () => {
  beforeEach(() => writeSmallFolder(folder))

  test('is opened again without decoding, and without reading the images', async () => {
    const first = await open()
    expect(said[0]).toBe(`dataset pets: decoding 8 images into ${cacheFolder}`)
    said = []
    expect(await open()).toEqual(first)
    expect(said).toEqual([])
  })

  test('is still right where only the times of files have changed', async () => {
    const first = await open()
    for (const name of ['0.png', '1.png']) utimesSync(join(folder, 'train/cat', name), 1, 1)
    said = []
    expect(await open()).toEqual(first)
    expect(said).toEqual(['dataset pets: its files have other names or times than before; comparing their contents'])
    said = []
    await open()
    expect(said).toEqual([])
    expect(sets()).toHaveLength(1)
  })

  test('is decoded anew where a file has another content, even with its old size and time', async () => {
    await open()
    const file = join(folder, 'train/cat/0.png')
    const [black, white] = await Promise.all(
      [3, 4].map((level) => png({ width: 6, height: 8, paint: [level, level, level] })),
    )
    writeFileSync(file, black!)
    utimesSync(file, 1, 1)
    expect(colour((await open()).train, 0)).toEqual([3, 3, 3])
    expect(white).toHaveLength(black!.length)
    writeFileSync(file, white!)
    utimesSync(file, 1, 1)
    expect(colour((await open()).train, 0)).toEqual([4, 4, 4])
    expect(sets()).toHaveLength(3)
  })

  test('knows a file that was added, removed or renamed', async () => {
    await open()
    copyFileSync(join(folder, 'train/cat/0.png'), join(folder, 'train/dog/9.png'))
    expect([...(await open()).train.labels]).toEqual([0, 0, 0, 1, 1, 1, 1])
    renameSync(join(folder, 'train/dog/9.png'), join(folder, 'train/cat/9.png'))
    expect([...(await open()).train.labels]).toEqual([0, 0, 0, 0, 1, 1, 1])
  })

  test('is one set for each way of decoding', async () => {
    await open()
    await open({ imageSize: { height: 4, width: 4 } })
    await open({ imageSize: { height: 4, width: 4 }, randomScale: true })
    expect(sets()).toHaveLength(3)
  })

  test('is the same in every byte whoever decodes it', async () => {
    const bytesIn = async (): Promise<Buffer> => {
      await open()
      const [set = ''] = sets()
      return readFileSync(join(cacheFolder, set))
    }
    const first = await bytesIn()
    cacheFolder = join(root, 'other')
    expect(Buffer.compare(await bytesIn(), first)).toBe(0)
  })

  test.each([
    ['cut short', (file: string) => truncateSync(file, 100)],
    ['without its description', (file: string) => truncateSync(file, readFileSync(file).length - 1)],
    ['of something else', (file: string) => writeFileSync(file, 'no images')],
  ])('is decoded anew where its file is %s', async (_, damage) => {
    const first = await open()
    const [set = ''] = sets()
    damage(join(cacheFolder, set))
    said = []
    expect(await open()).toEqual(first)
    expect(said.some((line) => line.includes('decoding 8 images'))).toBe(true)
  })
})

describe('images that cannot be decoded', () => {
  beforeEach(async () => {
    await writeSmallFolder(folder)
    const photo = await raw({ width: 90, height: 80, paint: (x, y) => [(x * y) % 256, 5, 9] })
      .jpeg()
      .toBuffer()
    writeFiles(folder, {
      'train/cat/1.png': 'not an image',
      'train/dog/0.jpg': photo.subarray(0, photo.length - 20),
      'val/dog/7.webp': '',
    })
  })

  test('fail the run by name and reason, and say how many there are', async () => {
    await expect(open()).rejects.toMatchObject({
      code: 'DATASET_INVALID',
      message:
        'pets: expected images that can be decoded; cannot decode train/cat/1.png: Input buffer contains unsupported image format, and 2 more (named in the log).',
      fix: 'Replace or remove what is named, or leave such images out with onCorruptImage SKIP.',
    })
    expect(said.filter((line) => line.includes('cannot decode'))).toEqual([
      'dataset pets: cannot decode train/cat/1.png: Input buffer contains unsupported image format',
      'dataset pets: cannot decode train/dog/0.jpg: VipsJpeg: premature end of JPEG image',
      'dataset pets: cannot decode val/dog/7.webp: Input Buffer is empty',
    ])
  })

  test('are left out, counted and named where that is asked for, and the others keep their classes', async () => {
    const { train, validation, skipped } = await open({ onCorruptImage: 'SKIP' })
    expect(skipped.map(({ file }) => file)).toEqual(['train/cat/1.png', 'train/dog/0.jpg', 'val/dog/7.webp'])
    expect([...train.labels]).toEqual([0, 0, 1, 1, 1])
    expect(Array.from({ length: 5 }, (_, index) => colour(train, index)[0])).toEqual([0, 2, 100, 101, 102])
    expect(validation.count).toBe(2)
    expect(said.at(-1)).toBe('dataset pets: left out 3 images that cannot be decoded')
  })

  test('are remembered: another policy decodes nothing', async () => {
    await expect(open()).rejects.toThrow('cannot decode')
    said = []
    expect((await open({ onCorruptImage: 'SKIP' })).skipped).toHaveLength(3)
    expect(said.some((line) => line.includes('decoding'))).toBe(false)
  })

  test('that leave none are an error, whatever the policy', async () => {
    for (const name of ['cat', 'dog']) writeFiles(folder, { [`val/${name}/0.png`]: 'damaged' })
    await expect(open({ onCorruptImage: 'SKIP' })).rejects.toMatchObject({
      code: 'DATASET_INVALID',
      message:
        'pets: expected training and validation images that can be decoded; 5 cannot, such as train/cat/1.png: Input buffer contains unsupported image format.',
    })
  })
})

describe('several runs at once', () => {
  beforeEach(() => writeSmallFolder(folder))

  test('decode once: the others wait', async () => {
    const [first, ...others] = await Promise.all([open(), open(), open()])
    for (const other of others) expect(other).toEqual(first)
    expect(said.filter((line) => line.includes('decoding 8 images'))).toHaveLength(1)
    expect(said.filter((line) => line.includes(`waiting for process ${process.pid}`))).toHaveLength(2)
    expect(readdirSync(cacheFolder).filter((file) => /\.(lock|tmp|dead)/.test(file))).toEqual([])
  })

  /** Lays the lock of a holder into a cache folder that is empty but for it. */
  async function lockedBy(holder: { pid: number; startTime: string | null }): Promise<string> {
    await open()
    const prefix = sets()[0]?.split('-').slice(0, 2).join('-') ?? ''
    cacheFolder = join(root, 'other')
    mkdirSync(cacheFolder)
    const record = { ...ownIdentity(), ...holder, at: new Date().toISOString() }
    writeFileSync(join(cacheFolder, `${prefix}.lock`), JSON.stringify(record))
    return prefix
  }

  test('take over from one that died, and remove what it left', async () => {
    const prefix = await lockedBy({ pid: 2 ** 22 - 1, startTime: '1' })
    writeFileSync(join(cacheFolder, `${prefix}.4194303.tmp`), 'half a set')
    await open()
    expect(readdirSync(cacheFolder).filter((file) => !/\.(json|images)$/.test(file))).toEqual([])
  })

  test('told to stop leave nothing half done', async () => {
    const stop = new AbortController()
    const onProgress = (): void => stop.abort('SIGTERM')
    await expect(open({ stop: stop.signal, onProgress })).rejects.toBe('SIGTERM')
    expect(readdirSync(cacheFolder)).toEqual([])
    await open()
    expect(sets()).toHaveLength(1)
  })

  test('told to stop while they wait do so at once, and leave the lock alone', async () => {
    const prefix = await lockedBy(ownIdentity())
    const stop = new AbortController()
    const onProgress = (progress: unknown): void => {
      expect(progress).toBeNull()
      stop.abort('SIGTERM')
    }
    await expect(open({ stop: stop.signal, onProgress })).rejects.toBe('SIGTERM')
    expect(readdirSync(cacheFolder)).toEqual([`${prefix}.lock`])
  })
})

describe('progress', () => {
  test('is told image by image', async () => {
    await writeSmallFolder(folder)
    writeFiles(folder, { 'train/cat/1.png': 'damaged' })
    const seen: unknown[] = []
    await open({ onCorruptImage: 'SKIP', onProgress: (progress) => seen.push(progress) })
    expect(seen).toEqual(
      Array.from({ length: 8 }, (_, index) => ({ done: index + 1, total: 8, corrupt: index >= 1 ? 1 : 0 })),
    )
  })
})
