// Predictions for image files: what the network sees of a file is what it saw of the run's validation images.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { listImages } from '../../src/shared/datasets/image-folder.ts'
import type { Manifest } from '../../src/trainer/checkpoints/manifest.ts'
import { imageSize, type Normalisation } from '../../src/trainer/datasets/dataset.ts'
import { openDataset } from '../../src/trainer/datasets/open.ts'
import { createPlainFiller } from '../../src/trainer/input/plain-filler.ts'
import type { ModelGraph } from '../../src/trainer/models/graph.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { predictFiles } from '../../src/trainer/predict-files.ts'
import { predict } from '../../src/trainer/predict.ts'
import { generateState } from '../engine/generate.ts'
import { cpuDevices } from '../engine/harness.ts'
import { animals, writeCheckpointFolder } from './fixtures/checkpoint-folder.ts'
import { png, raw, writeFiles } from './fixtures/image-folders.ts'
import { suiteFolder, temporaryFolder } from './fixtures/temporary-folder.ts'
import { checkpointNames, runAttempt, writeAttempt, writeRun } from './fixtures/trainer-process.ts'

const root = suiteFolder()
const pets = join(root, 'pets')
const devices = cpuDevices(1)
const size = { height: 32, width: 32 }

/** Stripes of a colour, of any size: cut or scaled otherwise they look otherwise. */
const stripes = (width: number, height: number, colour: number): Promise<Buffer> =>
  png({ width, height, paint: (x, y) => [(x * 37 + colour) % 256, (y * 53) % 256, (x * y + 9 * colour) % 256] })

beforeAll(async () => {
  for (const [label, name] of ['cat', 'dog'].entries()) {
    for (let index = 0; index < 4; index += 1) {
      writeFiles(pets, { [`train/${name}/${index}.png`]: await stripes(40 + index, 36, 90 * label + index) })
    }
    writeFiles(pets, {
      [`val/${name}/large.png`]: await stripes(61, 80, 90 * label),
      [`val/${name}/small.png`]: await stripes(15, 11, 90 * label),
    })
  }
})

function written(input: ModelGraph['input'], manifest: Partial<Manifest>): Promise<string> {
  const classes = animals.classNames.length
  const state = generateState(resnet({ architecture: 'RESNET18', input, classes }), 1)
  const model = { architecture: 'RESNET18', classes, input } as const
  return writeCheckpointFolder(temporaryFolder(), { state, model, manifest })
}

const validationFiles = async (): Promise<string[]> =>
  (
    await Promise.all(
      ['cat', 'dog'].map(async (name) => {
        const folder = join(pets, 'val', name)
        return (await listImages(folder)).map((file) => join(folder, file))
      }),
    )
  ).flat()

/** What a run's validation sees of them, in the order of `validationFiles`: (4, C, H, W). */
async function seenImages(randomScale: boolean): Promise<{ images: Float32Array; normalisation: Normalisation }> {
  const dataset = await openDataset('pets', [root], { cacheFolder: temporaryFolder(), imageSize: size, randomScale })
  const images = new Float32Array(4 * imageSize(dataset.shape))
  const filler = createPlainFiller(dataset, { seed: 0, augmentation: null })
  await filler.fill({ split: 'validation', augmentedFor: null, indices: Uint32Array.of(0, 1, 2, 3), images })
  filler.close()
  return { images, normalisation: dataset.normalisation }
}

async function expectSeen(checkpoint: string, images: Float32Array): Promise<void> {
  const files = await validationFiles()
  const expected = await predict({ checkpoint, images, devices })
  expect(await predictFiles({ checkpoint, files, devices })).toEqual(
    files.map((file, index) => ({ file, prediction: expected[index] })),
  )
}

describe('files of many sizes are seen as validation images', () => {
  test('of a run that cut parts of random scale: with a margin, cut off', async () => {
    const directory = writeRun(temporaryFolder(), {
      ...{ dataset: 'pets', imageSize: size, augmentation: { randomResizedCrop: {} } },
      ...{ trainImages: null, validationImages: null, epochs: 1 },
    })
    writeAttempt(directory, 1, { datasetRoots: [root] })
    expect(await runAttempt(directory)).toMatchObject({ code: 0 })
    const checkpoint = join(directory, 'checkpoints', checkpointNames(directory)[0] ?? '')
    const { data } = JSON.parse(readFileSync(join(checkpoint, 'manifest.json'), 'utf8')) as Manifest
    expect(data).toMatchObject({ dataset: 'pets', classNames: ['cat', 'dog'], margin: true })
    await expectSeen(checkpoint, (await seenImages(true)).images)
  })

  test('of another run: without', async () => {
    const { images, normalisation } = await seenImages(false)
    const checkpoint = await written({ channels: 3, ...size }, { data: { ...animals, normalisation } })
    await expectSeen(checkpoint, images)
  })
})

describe('of other checkpoints', () => {
  const shape = { height: 12, width: 10 }
  const pixels = Uint8Array.from({ length: 120 }, (_, i) => (i * 7 + (i % 13) ** 2) % 256)
  const greyData = { ...animals, normalisation: { mean: [0.25], deviation: [0.5] } }

  test('a grey model sees the grey of colours, and grey as it is; one that is damaged takes nothing from the others', async () => {
    const folder = temporaryFolder()
    const checkpoint = await written({ channels: 1, ...shape }, { data: greyData })
    const at = (name: string): string => join(folder, name)
    const grey = (x: number, y: number): number => pixels[y * 10 + x] ?? 0
    writeFiles(folder, {
      'grey.png': await png({ ...shape, paint: (x, y) => [grey(x, y), grey(x, y), grey(x, y)] }),
      'one channel.png': await raw({ ...shape, paint: (x, y) => [grey(x, y), grey(x, y), grey(x, y)] })
        .toColourspace('b-w')
        .png()
        .toBuffer(),
      'no image.jpg': 'no image',
      'blue.png': await png({ ...shape, paint: [0, 0, 255] }),
    })
    const names = ['grey.png', 'no image.jpg', 'one channel.png', 'blue.png', 'absent.png']
    const found = await predictFiles({ checkpoint, files: names.map(at), devices, imagesPerDevice: 4 })
    // 255 * 0.114
    const images = new Uint8Array(240)
    images.set(pixels)
    images.fill(29, 120)
    const [ofGrey, ofBlue] = await predict({ checkpoint, images, devices, imagesPerDevice: 4 })
    expect(found).toEqual([
      { file: at('grey.png'), prediction: ofGrey },
      { file: at('no image.jpg'), problem: 'Input buffer contains unsupported image format' },
      { file: at('one channel.png'), prediction: ofGrey },
      { file: at('blue.png'), prediction: ofBlue },
      { file: at('absent.png'), problem: expect.stringContaining('ENOENT') as string },
    ])
    expect(ofBlue).not.toEqual(ofGrey)
  })

  test.each<[string, number, Manifest['data'], string]>([
    ['one that does not say how its images were normalised', 3, null, 'Expected a checkpoint that says how'],
    [
      'one of two channels',
      2,
      { ...animals, normalisation: { mean: [0, 0], deviation: [1, 1] } },
      'Expected a model of images with 1 or 3 channels, as image files have; this one takes 2.',
    ],
  ])('refused: %s', async (_, channels, data, message) => {
    const checkpoint = await written({ channels, ...shape }, { data })
    await expect(predictFiles({ checkpoint, files: ['x.png'], devices })).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      message: expect.stringContaining(message) as string,
    })
  })
})
