// ONNX files of ours: ONNX Runtime finds the engine's logits in them, whatever the batch and the size of the images.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession, Tensor, env } from 'onnxruntime-web'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeOnnx } from '../../../src/trainer/checkpoints/onnx/export.ts'
import { foldedBias, foldedWeight } from '../../../src/trainer/checkpoints/onnx/fold-batch-norm.ts'
import { openEngine } from '../../../src/trainer/engines/open.ts'
import type { Layer } from '../../../src/trainer/models/graph.ts'
import { resnet } from '../../../src/trainer/models/resnet.ts'
import { generateBatch, generateState } from '../../engine/generate.ts'
import { cpuDevices, sgd } from '../../engine/harness.ts'
import { tryPython } from '../../engine/parity/python.ts'
import { writeCheckpointFolder } from '../fixtures/checkpoint-folder.ts'
import { exportCheckpoint } from '../fixtures/export.ts'
import { suiteFolder } from '../fixtures/temporary-folder.ts'

env.wasm.numThreads = 1

const model = { architecture: 'RESNET18', classes: 7 } as const
/** What the checkpoint's images were, and another size. */
const sizes = [
  { channels: 3, height: 20, width: 12 },
  { channels: 3, height: 33, width: 40 },
] as const
const graph = resnet({ ...model, input: sizes[0] })
const state = generateState(graph, 1)
const folder = suiteFolder()
const forms = ['folded', 'plain'] as const
const fileOf = (form: (typeof forms)[number]): string => join(folder, `${form}.onnx`)

interface Predicted {
  images: Float32Array
  /** (count, C, H, W) */
  shape: number[]
  /** (count, 7), of the engine. */
  logits: Float32Array
}
let predicted: Predicted[] = []

beforeAll(async () => {
  predicted = [
    await predictWithEngine(sizes[0], 3),
    await predictWithEngine(sizes[0], 1),
    await predictWithEngine(sizes[1], 2),
  ]
  const file = await writeCheckpointFolder(folder, { state, model: { ...model, input: sizes[0] } })
  for (const form of forms)
    await exportCheckpoint({ file, out: fileOf(form), format: 'ONNX', foldBatchNorm: form === 'folded' })
})

async function predictWithEngine(input: (typeof sizes)[number], count: number): Promise<Predicted> {
  const sized = resnet({ ...model, input })
  const devices = cpuDevices(1)
  const engine = await openEngine('AUTO', devices)
  const session = await engine.open({ graph: sized, globalBatch: 4, shards: 1, devices, optimizer: sgd })
  try {
    await session.writeState(state)
    const { images } = generateBatch(sized, count, { seed: 2, step: 0 })
    const shape = [count, input.channels, input.height, input.width]
    return { images, shape, logits: await session.predict(images) }
  } finally {
    await session.close()
  }
}

/** Logits are around 1 here. */
function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length)
  Array.from(expected).forEach((value, index) => expect(Math.abs((found[index] ?? NaN) - value)).toBeLessThan(1e-5))
}

describe.each(forms)('an ONNX file with batch norm %s', (form) => {
  test('has the logits of the engine in ONNX Runtime, for other batches and sizes too', async () => {
    const session = await InferenceSession.create(readFileSync(fileOf(form)))
    expect([session.inputNames, session.outputNames]).toEqual([['images'], ['logits']])
    for (const { images, shape, logits } of predicted) {
      const found = (await session.run({ images: new Tensor('float32', images, shape) }))['logits']
      expect(found?.dims).toEqual([shape[0], 7])
      expectClose(found?.data as Float32Array, logits)
    }
    await session.release()
  })

  test("passes ONNX's checker and says what the model is", async ({ skip }) => {
    const { images, shape, logits } = predicted[0]!
    const raw = join(folder, 'images.f32')
    writeFileSync(raw, images)
    const peer = await tryPython('../../trainer/checkpoints/export.py', 'onnx', fileOf(form), raw, ...shape.map(String))
    if ('missing' in peer) return skip(peer.missing)
    const found = JSON.parse(peer.stdout) as Record<string, unknown> & { logits: number[] }
    expectClose(found.logits, logits)
    expect(found).toEqual({
      opset: [['', 17]],
      producer: 'trainql',
      metadata: {
        architecture: 'resnet18',
        dataset: 'animals',
        class_names: '["ant","bee","cat","dog","eel","fox","gnu"]',
        mean: '[0.25,0.5,0.75]',
        std: '[0.5,0.25,0.125]',
        ...{ run: 'a-run', epoch: '2', step: '20' },
      },
      operators: [
        ...['Add', ...(form === 'plain' ? ['BatchNormalization'] : []), 'Conv', 'Flatten', 'Gemm'],
        ...['GlobalAveragePool', 'MaxPool', 'Relu'],
      ],
      inputs: [['images', ['batch', 3, 'height', 'width']]],
      outputs: [['logits', ['batch', 7]]],
      logits: found.logits,
    })
  })
})

describe('batch norm in a convolution', () => {
  const conv = {
    op: 'conv',
    name: 'c',
    input: 0,
    output: 1,
    inChannels: 1,
    outChannels: 2,
    kernel: 1,
    stride: 1,
    padding: 0,
  } as const
  const norm = { op: 'batchNorm', name: 'n', input: 1, output: 2, channels: 2, epsilon: 0.25, momentum: 0.1 } as const
  const vector = (...values: number[]) => ({ shape: [2], data: Float32Array.from(values) })
  const tensors = new Map([
    ['c.weight', { shape: [2, 1, 1, 1], data: Float32Array.of(3, -5) }],
    ['n.weight', vector(2, 4)],
    ['n.bias', vector(10, 20)],
    ['n.running_mean', vector(0.5, -1)],
    // With epsilon 1 and 4: deviations of 1 and 2.
    ['n.running_var', vector(0.75, 3.75)],
  ])

  test('is a scale of its weights and a bias', () => {
    expect(foldedWeight(conv, norm, tensors)).toEqual({ shape: [2, 1, 1, 1], data: Float32Array.of(6, -10) })
    expect(foldedBias(norm, tensors)).toEqual({ shape: [2], data: Float32Array.of(9, 22) })
  })

  test('stays where something else reads the convolution', () => {
    const read: Layer = { op: 'add', inputs: [1, 2], output: 3 }
    const model = (layers: typeof graph.layers) =>
      encodeOnnx({
        graph: { ...graph, layers, logits: 3 },
        state: tensors,
        foldBatchNorm: true,
        producerVersion: '0',
        metadata: {},
      })
    const textOf = ({ pieces }: ReturnType<typeof model>): string =>
      Buffer.concat(pieces.map((piece) => (piece instanceof Uint8Array ? piece : piece.make()))).toString('latin1')
    expect(textOf(model([conv, norm, read]))).toContain('BatchNormalization')
    expect(textOf(model([conv, norm, { op: 'relu', input: 2, output: 3 }]))).not.toContain('BatchNormalization')
  })

  test('is refused with the rest where the file would be 2 GiB', () => {
    // Never made: the refusal comes from the lengths alone.
    const huge = { shape: [2 ** 29, 1, 1, 1], data: new Float32Array(0) }
    const layers = [conv, { op: 'relu', input: 1, output: 3 }] as const
    expect(() =>
      encodeOnnx({
        graph: { ...graph, layers, logits: 3 },
        state: new Map([['c.weight', huge]]),
        foldBatchNorm: false,
        producerVersion: '0',
        metadata: {},
      }),
    ).toThrow('Expected an ONNX file of at most 2147483647 bytes; the model needs 2147483')
  })
})
