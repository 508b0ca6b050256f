// Predictions from a checkpoint's folder: the float64 reference's probabilities, however many images there are.
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Manifest } from '../../src/trainer/checkpoints/manifest.ts'
import { drawShapes } from '../../src/trainer/datasets/shapes.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { predict, type PredictRequest } from '../../src/trainer/predict.ts'
import { generateState } from '../engine/generate.ts'
import { cpuDevices, sgd } from '../engine/harness.ts'
import { createReference } from '../engine/reference.ts'
import { animals, writeCheckpointFolder } from './fixtures/checkpoint-folder.ts'
import { bytesOf } from '../../src/trainer/datasets/dataset.ts'
import { suiteFolder, temporaryFolder } from './fixtures/temporary-folder.ts'
import { checkpointNames, readEvents, runAttempt, writeAttempt, writeRun } from './fixtures/trainer-process.ts'

const input = { channels: 3, height: 16, width: 12 }
const { classNames, normalisation } = animals
const classes = classNames.length
const graph = resnet({ architecture: 'RESNET18', input, classes })
const state = generateState(graph, 1)
const size = 3 * 16 * 12
/** Five images, each by a rule of its own. */
const pixels = Uint8Array.from({ length: 5 * size }, (_, i) => (i * (7 + Math.floor(i / size)) + (i % 13) ** 2) % 256)
const normalised = Float32Array.from(pixels, (pixel, i) => {
  const channel = Math.floor(i / (16 * 12)) % 3
  return (pixel / 255 - (normalisation.mean[channel] ?? NaN)) / (normalisation.deviation[channel] ?? NaN)
})

const folder = suiteFolder()
const checkpoint = join(folder, '1-00000020')
const request: PredictRequest = { checkpoint, images: pixels, devices: cpuDevices(1) }

function writeCheckpoint(parent: string, manifest: Partial<Manifest> = {}): Promise<string> {
  return writeCheckpointFolder(parent, { state, model: { architecture: 'RESNET18', classes, input }, manifest })
}

beforeAll(async () => {
  await writeCheckpoint(folder)
  // Predictions need the weights alone.
  rmSync(join(checkpoint, 'optimizer.safetensors'))
})

describe('a prediction', () => {
  test('has the probabilities of the float64 reference, likeliest first, over several batches and devices', async () => {
    const reference = createReference({ graph, shards: 1, optimizer: sgd }, state)
    const logits = reference.predict(normalised)
    const predictions = await predict({ ...request, top: classes, devices: cpuDevices(2), imagesPerDevice: 2 })
    expect(predictions).toHaveLength(5)
    predictions.forEach((prediction, image) => {
      const row = Array.from(logits.subarray(image * classes, (image + 1) * classes))
      const sum = row.reduce((total, logit) => total + Math.exp(logit), 0)
      const expected = row
        .map((logit, index) => ({ class: index, name: classNames[index], probability: Math.exp(logit) / sum }))
        .sort((a, b) => b.probability - a.probability)
      expect(prediction.map(({ class: index, name }) => [index, name])).toEqual(
        expected.map(({ class: index, name }) => [index, name]),
      )
      prediction.forEach(({ probability }, rank) =>
        expect(Math.abs(probability - (expected[rank]?.probability ?? NaN))).toBeLessThan(1e-5),
      )
    })
  })

  test('does not depend on the images beside it', async () => {
    const together = await predict({ ...request, imagesPerDevice: 4 })
    for (let image = 0; image < 5; image += 1) {
      const images = pixels.subarray(image * size, (image + 1) * size)
      expect(await predict({ ...request, images, imagesPerDevice: 4 })).toEqual([together[image]])
    }
  })

  test('of floats is that of the bytes they came from', async () => {
    expect(await predict({ ...request, images: normalised })).toEqual(await predict(request))
  })

  test('gives five classes unless asked for more or less', async () => {
    expect((await predict(request)).map(({ length }) => length)).toEqual([5, 5, 5, 5, 5])
    expect((await predict({ ...request, top: 1 })).map(({ length }) => length)).toEqual([1, 1, 1, 1, 1])
    expect((await predict({ ...request, top: 99 }))[0]).toHaveLength(classes)
  })

  test('of a real run is right as often as its validation was', async () => {
    const directory = writeRun(temporaryFolder(), {
      epochs: 1,
      trainImages: 128,
      globalBatch: 16,
      validationImages: null,
    })
    writeAttempt(directory, 1)
    expect((await runAttempt(directory)).code).toBe(0)
    const [name = ''] = checkpointNames(directory)
    const { validation, classes: shapeNames } = drawShapes()
    const predictions = await predict({
      checkpoint: join(directory, 'checkpoints', name),
      images: bytesOf(validation),
      top: 1,
      devices: cpuDevices(1),
    })
    const right = shapeNames.map(() => 0)
    predictions.forEach(([best], image) => {
      expect(best?.name).toBe(shapeNames[best?.class ?? -1])
      if (best?.class === validation.labels[image]) right[best?.class ?? -1]! += 1
    })
    const [epoch] = readEvents(directory).flatMap((event) => (event.type === 'epoch' ? [event] : []))
    expect(right).toEqual(epoch?.classCorrect)
  })
})

describe('an imported checkpoint, which does not know its images', () => {
  test('takes normalised floats of a stated size, and numbers for names; bytes are refused', async () => {
    const model = { architecture: 'RESNET18', classes, input: { channels: 3, height: null, width: null } } as const
    const imported = await writeCheckpoint(temporaryFolder(), { data: null, training: null, model })
    const imageSize = { height: 16, width: 12 }
    const [expected] = await predict({ ...request, images: normalised })
    const [prediction] = await predict({ ...request, checkpoint: imported, imageSize, images: normalised })
    expect(prediction).toEqual(expected?.map((entry) => ({ ...entry, name: String(entry.class) })))
    await expect(predict({ ...request, checkpoint: imported, imageSize })).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
      fix: 'Pass images as floats, normalised as in training.',
    })
    await expect(predict({ ...request, checkpoint: imported, images: normalised })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'imageSize',
    })
  })
})

describe('refused', () => {
  test.each<[string, Partial<PredictRequest>, string]>([
    ['no images', { images: new Uint8Array() }, 'Expected whole images of 3x16x12, 576 values each; got 0 values.'],
    [
      'a part of an image',
      { images: new Uint8Array(600) },
      'Expected whole images of 3x16x12, 576 values each; got 600 values.',
    ],
    ['no class', { top: 0 }, 'Expected top to be a whole number from 1; got 0.'],
    ['one image at a time', { imagesPerDevice: 1 }, 'Expected imagesPerDevice to be a whole number from 2; got 1.'],
    [
      'pixels that are not finite',
      { images: Float32Array.from(normalised, (value, i) => (i === 3 * size + 5 ? NaN : value)), imagesPerDevice: 2 },
      'Expected finite logits; those of image 3 are not.',
    ],
  ])('%s', async (_, change, message) => {
    await expect(predict({ ...request, ...change })).rejects.toMatchObject({ code: 'INVALID_INPUT', message })
  })

  test('a folder that is no checkpoint', async () => {
    expect(existsSync(join(folder, 'none'))).toBe(false)
    await expect(predict({ ...request, checkpoint: join(folder, 'none') })).rejects.toMatchObject({
      code: 'CHECKPOINT_INVALID',
    })
  })
})
