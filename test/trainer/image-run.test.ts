// The trainer as a process on image folders: decoded once, the same wherever it goes on, and left in good order.
import { execFileSync } from 'node:child_process'
import { linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { createRandom } from '../../src/trainer/random.ts'
import { png, raw, writeFiles } from './fixtures/image-folders.ts'
import { findData } from './fixtures/shared-data.ts'
import { onSmallDisk, skipWithoutSmallDisk, smallDisk } from './fixtures/small-disk.ts'
import { suiteFolder, temporaryFolder } from './fixtures/temporary-folder.ts'
import {
  manifestOf,
  readEvents,
  readJson,
  resumeFrom,
  runAttempt,
  startTrainer,
  trainerEntry,
  waitForEvent,
  writeAttempt,
  writeRun,
} from './fixtures/trainer-process.ts'

const augmentation = { randomResizedCrop: {}, horizontalFlip: true, cutout: { size: 8 } }

describe('a run on photographs of many sizes', () => {
  const root = suiteFolder()
  beforeAll(async () => {
    const random = createRandom({ seed: 0, stream: 'shapes', substream: 0 })
    const files: Record<string, Buffer> = {}
    for (let index = 0; index < 44; index += 1) {
      const [width, height] = [40 + random.below(30), 40 + random.below(30)]
      const paint = (): [number, number, number] => [random.below(256), random.below(256), 128]
      const path = `${index < 32 ? 'train' : 'val'}/${index % 2 === 0 ? 'even' : 'odd'}/${index}.jpg`
      files[path] = await raw({ width, height, paint }).jpeg().toBuffer()
    }
    writeFiles(join(root, 'noise'), files)
  })
  const spec = {
    dataset: 'noise',
    imageSize: { height: 32, width: 32 },
    augmentation,
    trainImages: null,
    validationImages: null,
  }
  const attempt = { datasetRoots: [root], cacheFolder: join(root, 'cache') }

  test('stopped inside an epoch and resumed ends with the bytes of a run that went straight through', async () => {
    const straight = writeRun(temporaryFolder(), spec)
    writeAttempt(straight, 1, attempt)
    const { code, output } = await runAttempt(straight)
    expect(code).toBe(0)
    expect(output).toContain('dataset noise: decoding 44 images')
    expect(readEvents(straight).slice(0, 2)).toMatchObject([
      { type: 'decoding', images: 44, ofImages: 44, corruptImages: 0 },
      { type: 'started', trainImages: 32, validationImages: 12, skippedImages: 0 },
    ])

    const stopped = writeRun(temporaryFolder(), spec)
    writeAttempt(stopped, 1, attempt)
    const trainer = startTrainer(stopped, '1')
    await waitForEvent(stopped, ({ type }) => type === 'step')
    trainer.child.kill('SIGTERM')
    expect(await trainer.ended).toBe(143)
    expect(trainer.output()).not.toContain('decoding')
    const last = readEvents(stopped).at(-1)
    if (last?.type !== 'stopped' || last.lastCheckpoint === null) throw new Error(`ended with ${JSON.stringify(last)}`)
    writeAttempt(stopped, 2, { ...attempt, ...resumeFrom(stopped, last.lastCheckpoint) })
    expect((await runAttempt(stopped, 2)).code).toBe(0)
    expect(manifestOf(stopped, '2-00000008').files).toEqual(manifestOf(straight, '1-00000008').files)
  })

  test('without augmentation learns from other images', async () => {
    const plain = writeRun(temporaryFolder(), { ...spec, augmentation: null, epochs: 1 })
    writeAttempt(plain, 1, attempt)
    expect((await runAttempt(plain)).code).toBe(0)
    const augmented = writeRun(temporaryFolder(), { ...spec, epochs: 1 })
    writeAttempt(augmented, 1, attempt)
    expect((await runAttempt(augmented)).code).toBe(0)
    const [first, second] = [plain, augmented].map(
      (run) => manifestOf(run, '1-00000004').files['model.safetensors'].sha256,
    )
    expect(first).not.toBe(second)
  })
})

describe('CIFAR-10 as JPEG files', () => {
  const { path, reason } = findData('cifar10-jpeg-6k.tar')

  test('is decoded whole, and learned from', async (context) => {
    if (path === null) context.skip(reason)
    const root = temporaryFolder()
    execFileSync('tar', ['xf', path ?? '', '-C', root])
    const [name = ''] = readdirSync(root)
    const directory = writeRun(temporaryFolder(), {
      dataset: name,
      trainImages: 2048,
      validationImages: 500,
      epochs: 2,
      globalBatch: 64,
      augmentation: { randomCrop: { padding: 4 }, horizontalFlip: true },
    })
    writeAttempt(directory, 1, { datasetRoots: [root], cacheFolder: join(root, 'cache') })
    const { code, output } = await runAttempt(directory)
    expect(code).toBe(0)
    expect(output).toContain(`dataset ${name}: 5000 training and 1000 validation images`)
    const epochs = readEvents(directory).flatMap((event) => (event.type === 'epoch' ? [event] : []))
    // Ten classes: chance is 0.1.
    expect(epochs[1]?.accuracy).toBeGreaterThan(0.2)
    expect(epochs[1]?.trainLoss).toBeLessThan(epochs[0]?.trainLoss ?? 0)
  })
})

describe('a long decoding', () => {
  const root = suiteFolder()
  beforeAll(async () => {
    const large = await png({ width: 1200, height: 1200, paint: (x, y) => [x % 256, y % 256, (x * y) % 256] })
    writeFiles(join(root, 'many'), { 'train/a/0.png': large, 'val/a/0.png': large })
    for (let index = 1; index < 400; index += 1) {
      linkSync(join(root, 'many/train/a/0.png'), join(root, `many/train/a/${index}.png`))
    }
  })
  const spec = { dataset: 'many', imageSize: { height: 32, width: 32 } }

  test('is left when the run is told to stop, with nothing half done', async () => {
    const directory = writeRun(temporaryFolder(), spec)
    const cacheFolder = join(directory, 'decoded')
    writeAttempt(directory, 1, { datasetRoots: [root], cacheFolder })
    const trainer = startTrainer(directory, '1')
    await expect.poll(() => trainer.output().includes('decoding 401 images'), { timeout: 60_000 }).toBe(true)
    trainer.child.kill('SIGTERM')
    expect(await trainer.ended).toBe(143)
    expect(readEvents(directory).at(-1)).toMatchObject({ type: 'stopped', step: 0, lastCheckpoint: null })
    expect(readJson(directory, 'exit.1.json')).toMatchObject({ code: 143, signal: 'SIGTERM' })
    expect(readdirSync(cacheFolder)).toEqual([])
  })
})

describe('a cache that is full', () => {
  test('fails the run with DISK_FULL, and leaves nothing behind', async (context) => {
    skipWithoutSmallDisk(context)
    const root = temporaryFolder()
    const image = await png({ width: 600, height: 600, paint: [1, 2, 3] })
    writeFiles(join(root, 'large'), { 'train/a/0.png': image, 'train/a/1.png': image, 'val/a/0.png': image })
    const directory = writeRun(root, { dataset: 'large' })
    writeAttempt(directory, 1, { datasetRoots: [root], cacheFolder: `${smallDisk}/cache` })
    const text = onSmallDisk({
      mebibytes: 2,
      command: `${trainerEntry.join(' ')} ${directory} 1 >&2; echo "[$?,"; ls -A ${smallDisk}/cache | wc -l; echo ]`,
    })
    expect(JSON.parse(text)).toEqual([5, 0])
    expect(readEvents(directory)).toMatchObject([
      { type: 'failed', code: 'DISK_FULL', message: expect.stringContaining(`${smallDisk}/cache`) as string },
    ])
  })
})

describe('a damaged image', () => {
  test('fails the run by its name, unless it is to be left out', async () => {
    const root = temporaryFolder()
    const image = await png({ width: 8, height: 8, paint: (x) => [x, 2, 3] })
    const folder = join(root, 'pets')
    for (const name of ['train', 'val']) mkdirSync(join(folder, name, 'a'), { recursive: true })
    for (let index = 0; index < 9; index += 1) writeFiles(folder, { [`train/a/${index}.png`]: image })
    writeFiles(folder, { 'val/a/0.png': image })
    writeFileSync(join(folder, 'train/a/4.png'), image.subarray(0, image.length / 2))
    const spec = { dataset: 'pets', trainImages: null, validationImages: null, epochs: 1 }

    const failing = writeRun(temporaryFolder(), spec)
    writeAttempt(failing, 1, { datasetRoots: [root], cacheFolder: join(root, 'cache') })
    expect((await runAttempt(failing)).code).toBe(2)
    const [decoded, event] = readEvents(failing)
    expect(decoded).toMatchObject({ type: 'decoding', images: 10, ofImages: 10, corruptImages: 1 })
    expect(event).toMatchObject({ type: 'failed', code: 'DATASET_INVALID' })
    expect(event?.type === 'failed' && event.message).toContain('cannot decode train/a/4.png: ')

    const skipping = writeRun(temporaryFolder(), { ...spec, onCorruptImage: 'SKIP' })
    writeAttempt(skipping, 1, { datasetRoots: [root], cacheFolder: join(root, 'cache') })
    const { code, output } = await runAttempt(skipping)
    expect(code).toBe(0)
    expect(output).toContain('dataset pets: left out 1 images that cannot be decoded')
    const [started] = readEvents(skipping)
    expect(started).toMatchObject({ type: 'started', trainImages: 8, stepsPerEpoch: 1, skippedImages: 1 })
  })
})
