// Agreement with torchvision, live: where a Python with torch and torchvision is found (TRAINQL_PYTHON, else python3).
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { decodeImage } from '../../../src/trainer/datasets/cache/decode.ts'
import { levelsOf, placeImage } from '../../../src/trainer/input/pixels.ts'
import {
  drawPlacement,
  placementRules,
  plainPlacement,
  type Placement,
  type Size,
} from '../../../src/trainer/input/placement.ts'
import { createRandom } from '../../../src/trainer/random.ts'
import { augmentationOf } from '../fixtures/augmentation.ts'
import { png } from '../fixtures/image-folders.ts'

const script = fileURLToPath(new URL('reference_transforms.py', import.meta.url))
const python = process.env['TRAINQL_PYTHON'] ?? 'python3'
const answerSchema = z.object({
  torchvision: z.string(),
  pixels: z.array(z.array(z.number())),
  validation: z.array(z.array(z.number())),
  sizes: z.array(z.tuple([z.number(), z.number()])),
})

async function askTorchvision(request: object): Promise<z.output<typeof answerSchema> | { missing: string }> {
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin.on('error', () => undefined)
  child.stdin.end(JSON.stringify(request))
  const failure = new Promise<string>((resolve) => child.once('error', ({ message }) => resolve(message)))
  const [output, words] = await Promise.all([text(child.stdout), text(child.stderr)]).catch(() => ['', ''])
  if (output === '') return { missing: words.trim().split('\n').at(-1) || (await failure) }
  return answerSchema.parse(JSON.parse(output))
}

interface Case {
  stored: Size
  output: Size
  padding: number
  bytes: Uint8Array
  placement: Placement
}

function makeCases(): Case[] {
  const random = createRandom({ seed: 4, stream: 'shapes', substream: 0 })
  return Array.from({ length: 40 }, (_, index) => {
    const stored = { height: 8 + random.below(30), width: 8 + random.below(30) }
    const output = index % 2 === 0 ? stored : { height: 8 + random.below(30), width: 8 + random.below(30) }
    const padding = index % 4 < 2 ? 3 : 0
    const crop = index % 2 === 0 ? {} : { randomResizedCrop: {} }
    const pad = padding === 0 ? {} : { randomCrop: { padding } }
    const rules = placementRules(augmentationOf({ ...crop, ...pad, horizontalFlip: true }))
    const placement = drawPlacement(rules, { seed: 4, epoch: 1, index }, { stored, output })
    const bytes = Uint8Array.from({ length: 3 * stored.height * stored.width }, () => random.below(256))
    return { stored, output, padding, bytes, placement }
  })
}

/** Soft shapes with some noise. */
function makePhotograph({ height, width }: Size): Size & { planes: Uint8Array } {
  const random = createRandom({ seed: 5, stream: 'shapes', substream: height })
  const planes = Uint8Array.from({ length: 3 * height * width }, (_, at) => {
    const [x, y] = [at % width, Math.floor(at / width)]
    return 120 + 80 * Math.sin(x / 9) * Math.cos(y / 13) + random.below(40)
  })
  return { height, width, planes }
}

function pngOf({ height, width, planes }: Size & { planes: Uint8Array }): Promise<Buffer> {
  const paint = (x: number, y: number) =>
    [0, 1, 2].map((channel) => planes[(channel * height + y) * width + x] as number) as [number, number, number]
  return png({ width, height, paint })
}

const scale = [0.08, 1] as const
const ratio = [3 / 4, 4 / 3] as const

test('crops, flips, padding and scaling give the pixels of torchvision, crops of random scale its sizes', async (context) => {
  const cases = makeCases()
  const photographs = [
    makePhotograph({ height: 160, width: 240 }),
    makePhotograph({ height: 120, width: 80 }),
    makePhotograph({ height: 48, width: 72 }),
  ]
  const indices = Array.from({ length: 300 }, (_, index) => index)
  const storedOf = (index: number): Size => ({ height: 20 + (index % 50), width: 60 - (index % 31) })
  const answer = await askTorchvision({
    pixels: cases.map(({ stored, output, padding, bytes, placement: { box, top, left, flipped } }) => ({
      shape: [3, stored.height, stored.width],
      bytes: [...bytes],
      box: [box.top, box.left, box.height, box.width],
      output: [output.height, output.width],
      padding,
      top,
      left,
      flipped,
    })),
    validation: photographs.map(({ height, width, planes }) => {
      return { shape: [3, height, width], bytes: [...planes], shorter: 64, output: [56, 56] }
    }),
    sizes: indices.map((index) => {
      const random = createRandom({ seed: 9, stream: 'resizedCrop', substream: index, part: 2 })
      const { height, width } = storedOf(index)
      return { stored: [height, width], scale, ratio, uniforms: Array.from({ length: 20 }, () => random.uniform()) }
    }),
  })
  if ('missing' in answer) return context.skip(`${python} has no torchvision: ${answer.missing}`)

  const levels = levelsOf({ mean: [0, 0, 0], deviation: [1 / 255, 1 / 255, 1 / 255] })
  cases.forEach(({ stored, output, bytes, placement }, index) => {
    const shape = { channels: 3, ...output }
    const out = new Float32Array(3 * output.height * output.width)
    placeImage({ bytes, size: stored }, placement, { out, shape, levels })
    const expected = answer.pixels[index] ?? []
    expect(out).toHaveLength(expected.length)
    // Single precision on both sides, of values up to 255.
    const distance = out.reduce((most, value, at) => Math.max(most, Math.abs(value - (expected[at] ?? NaN))), 0)
    expect(distance).toBeLessThan(2e-3)
  })

  for (const [index, photograph] of photographs.entries()) {
    const output = { height: 56, width: 56 }
    const decoded = await decodeImage(await pngOf(photograph), { output, randomScale: true }, 'validation')
    const out = new Float32Array(3 * 56 * 56)
    const shape = { channels: 3, ...output }
    const picture = { bytes: decoded.planes, size: decoded.size }
    placeImage(picture, plainPlacement(decoded.size, output), { out, shape, levels })
    const distances = answer.validation[index]?.flatMap((value, at) => {
      // What is enlarged ends where it is cut: its outermost pixels have no neighbours.
      const [x, y] = [at % 56, Math.floor(at / 56) % 56]
      return x % 55 === 0 || y % 55 === 0 ? [] : [Math.abs(value - (out[at] ?? NaN))]
    })
    expect(distances).toHaveLength(3 * 54 * 54)
    // The decoder gives whole levels.
    expect(Math.max(...(distances ?? []))).toBeLessThan(1.5)
  }

  const rules = placementRules(augmentationOf({ randomResizedCrop: {} }))
  const found = indices.map((index) => {
    const stored = storedOf(index)
    const { box } = drawPlacement(rules, { seed: 9, epoch: 2, index }, { stored, output: { height: 8, width: 8 } })
    return [box.height, box.width]
  })
  expect(found).toEqual(answer.sizes)
})
