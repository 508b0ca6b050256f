// What the demo decides to train, from what was asked and what the server has.
import { expect, test } from 'vitest'
import { chooseTask } from '../../src/cli/demo/task.ts'
import { compare } from '../../src/cli/demo/summary.ts'
import type { TrainedRun } from '../../src/cli/demo/watch-run.ts'
import { parse, type DemoPlan } from '../../src/cli/parse.ts'
import type { Dataset, ServerInfo } from '../../src/sdk/index.ts'

const shapes: Dataset = {
  id: 'd1',
  name: 'shapes',
  kind: 'BUILT_IN',
  description: '',
  trainImages: 12_000,
  validationImages: 2_000,
  channels: 1,
  height: 28,
  width: 28,
  classes: ['ring'],
  path: null,
}
const idx = (name: string, root = '/data'): Dataset => ({
  ...shapes,
  id: name,
  name,
  kind: 'IDX',
  path: `${root}/${name}`,
  trainImages: 60_000,
  validationImages: 10_000,
})

function server(native: boolean): ServerInfo {
  const engines: ServerInfo['engines'] = [
    { name: 'native', available: native, detail: native ? 'avx512' : 'the addon is not built', precisions: ['FP32'] },
    { name: 'tfjs', available: true, detail: 'wasm', precisions: ['FP32'] },
  ]
  return { version: '0', dataDirectory: '/', startedAt: '2026-01-01T00:00:00.000Z', engines }
}

function plan(line: string): DemoPlan {
  return parse(['demo', ...line.split(' ').filter((word) => word !== '')]) as DemoPlan
}

test('takes Fashion-MNIST whole where it is, on the native engine', () => {
  const { input, notes } = chooseTask(plan(''), server(true), [shapes, idx('fashion-mnist'), idx('mnist')], ['/data'])
  expect(notes).toEqual([])
  expect(input).toEqual({
    architecture: 'RESNET18',
    dataset: 'fashion-mnist',
    epochs: 3,
    globalBatch: 256,
    engine: 'AUTO',
    optimizer: { kind: 'ADAM' },
    learningRate: 0.001,
    seed: 0,
  })
})

test('takes the built-in set elsewhere, and says so', () => {
  const { input, notes } = chooseTask(plan(''), server(true), [shapes, idx('mnist')], [])
  expect(input).toMatchObject({ dataset: 'shapes', globalBatch: 256, epochs: 3 })
  expect(input).not.toHaveProperty('trainImages')
  expect(notes).toEqual([expect.stringContaining('Fashion-MNIST was not found')])
})

test('trains less on the portable engine, says so and why', () => {
  const { input, notes } = chooseTask(plan(''), server(false), [shapes, idx('fashion-mnist')], ['/data'])
  expect(input).toMatchObject({
    dataset: 'fashion-mnist',
    trainImages: 384,
    validationImages: 128,
    globalBatch: 32,
    epochs: 3,
  })
  expect(notes).toEqual([expect.stringMatching(/the addon is not built.*384 images only/)])
})

test('what was asked for wins over the choice', () => {
  const line =
    '--dataset shapes --epochs 1 --batch 8 --images 64 --validation-images 32 --model 34 --engine tfjs --seed 5'
  expect(chooseTask(plan(line), server(true), [shapes, idx('fashion-mnist')], ['/data']).input).toEqual({
    architecture: 'RESNET34',
    dataset: 'shapes',
    epochs: 1,
    globalBatch: 8,
    engine: 'TFJS',
    optimizer: { kind: 'ADAM' },
    learningRate: 0.001,
    seed: 5,
    trainImages: 64,
    validationImages: 32,
  })
})

test('never asks for more images than there are', () => {
  const { input } = chooseTask(plan('--images 99999999 --validation-images 2000'), server(true), [shapes], [])
  expect(input).not.toHaveProperty('trainImages')
  expect(input).not.toHaveProperty('validationImages')
})

test('--data means a set from there', () => {
  const datasets = [shapes, idx('fashion-mnist', '/elsewhere'), idx('letters', '/mine')]
  expect(chooseTask(plan('--data /mine'), server(true), datasets, ['/mine']).dataset.name).toBe('letters')
  expect(chooseTask(plan('--data /mine/letters'), server(true), datasets, ['/mine/letters']).dataset.name).toBe(
    'letters',
  )
  expect(() => chooseTask(plan('--data /min'), server(true), datasets, ['/min'])).toThrow(
    'There is no dataset in /min.',
  )
})

test('refuses an unknown dataset by naming those there are', () => {
  expect(() => chooseTask(plan('--dataset cats'), server(true), [shapes, idx('mnist')], [])).toThrow(
    'There is no dataset "cats"; there are shapes, mnist.',
  )
})

test('refuses --engine native where it cannot run, with the reason', () => {
  expect(() => chooseTask(plan('--engine native'), server(false), [shapes], [])).toThrow('the addon is not built')
})

test('a comparison divides times, and compares weights by their hash', () => {
  const trained = (devices: number, seconds: number, sha256: string): TrainedRun =>
    ({
      run: { deviceNames: Array.from({ length: devices }, (_, index) => `cpu:${index}`) },
      epochs: [{ wallSeconds: seconds / 2 }, { wallSeconds: seconds / 2 }],
      checkpoint: { sha256 },
    }) as unknown as TrainedRun
  expect(compare(trained(1, 9, 'a'), trained(2, 5, 'a'))).toMatchObject({
    speedUp: 1.8,
    efficiency: 0.9,
    bitEqual: true,
  })
  expect(compare(trained(1, 9, 'a'), trained(4, 3, 'b'))).toMatchObject({
    speedUp: 3,
    efficiency: 0.75,
    bitEqual: false,
  })
})
