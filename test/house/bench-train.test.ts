// The rows of `bench -- train`: which peer a row gets, what voids it, and what becomes of the others. Our side is the
// real engine; the peer's figures are scripted, so that what the harness makes of them is known.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { splitByPrecision } from '../../bench/benches/train.ts'
import type { Row } from '../../bench/bench.ts'
import { describeMachine } from '../../bench/machine.ts'
import type { Result } from '../../bench/result.ts'
import { flopsPerStep, graphOf } from '../../bench/train/arithmetic.ts'
import { keptShare } from '../../bench/train/busy-neighbour.ts'
import { epochOf } from '../../bench/train/epoch.ts'
import { whyNoBf16 } from '../../bench/train/precision.ts'
import { finalists, type Qualified } from '../../bench/train/qualify.ts'
import { describeLayers, layersBelowPeak, partShares } from '../../bench/train/step-profile.ts'
import { comparisons, epochs } from '../../bench/train/tasks.ts'
import { findFashionMnist } from '../../bench/train/trainer-run.ts'
import type { TrainerEvent } from '../../src/shared/events.ts'
import { parameterCount } from '../../src/trainer/models/parameters.ts'
import { temporaryFolder } from '../trainer/fixtures/temporary-folder.ts'
import { bench } from './bench-command.ts'

const parameters = parameterCount(graphOf(comparisons[0]!))
const withoutBf16 = whyNoBf16(describeMachine().isa)

test('each precision gets its best peer, bf16 the better of both, and the result is kept', async () => {
  const secondsPerStep = {
    'FP32 channels_last eager': 0.5,
    'FP32 contiguous eager': 0.25,
    'FP32 contiguous compile': 0.375,
    'FP32 channels_last compile': 0.5,
    'BF16 channels_last eager': 0.125,
    'BF16 contiguous eager': 1,
  }
  const out = join(temporaryFolder(), 'result.json')
  const rows = ['--rows', '28x28x1-b128-(fp32|bf16)$', '--rounds', '1']
  const { code, stdout, stderr } = await bench(['train', ...rows, '--json', '--out', out], {
    ...scriptedPeer({ secondsPerStep, parameters }),
  })
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  // A compilation that fails is told and left out.
  if (withoutBf16 === null) expect(stderr).toMatch(/bf16 autocast, channels_last, torch\.compile, \w+: left out/)

  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Result
  expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(result)
  const [fp32, bf16] = ['fp32', 'bf16'].map((precision) => rowNamed(result, `resnet18-28x28x1-b128-${precision}`))
  expect(fp32).toMatchObject({ status: 'measured', unit: 'images/s', peer: 512, bar: 2.4, value: null })
  if (fp32?.status !== 'measured') return
  expect(fp32.ratio).toBeCloseTo((fp32.ours ?? Number.NaN) / 512, 9)
  expect(fp32.detail).toMatchObject({
    globalBatch: 128,
    shards: 2,
    devices: 2,
    rounds: 1,
    peer: 'PyTorch 0.0, torchvision 0.0',
  })
  expect(fp32.detail['peerSettings']).toMatch(/^fp32, contiguous, eager, \w+, fused SGD, 2 threads$/)
  const flops = flopsPerStep(comparisons[0]!)
  expect(fp32.detail['peerShareOfPeak']).toBeCloseTo(flops / 0.25 / 1e12, 9)
  expect(fp32.detail['oursShareOfPeak']).toBeCloseTo(((fp32.ours ?? 0) / 128) * (flops / 1e12), 9)
  const { oursPeakBytes, peerPeakBytes, memoryShare } = fp32.detail
  expect(memoryShare).toBe((oursPeakBytes as number) / (peerPeakBytes as number))
  if (withoutBf16 !== null) {
    expect(bf16).toEqual({ name: 'resnet18-28x28x1-b128-bf16', status: 'skipped', reason: withoutBf16 })
    return
  }
  expect(bf16).toMatchObject({ status: 'measured', peer: 1024, bar: 3 })
  if (bf16?.status === 'measured') expect(bf16.detail['peerTried']).toBe('FP32 512.0 images/s, BF16 1024.0 images/s')
})

test('another number of parameters voids the row: it fails, and so does the command', async () => {
  const secondsPerStep = { 'FP32 channels_last eager': 0.2 }
  const { code, stdout } = await bench(['train', '--rows', '28x28x1-b128-fp32$', '--rounds', '1', '--json'], {
    ...scriptedPeer({ secondsPerStep, parameters: parameters - 1 }),
  })
  expect(code).toBe(1)
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Result
  const reason = `PyTorch trains ${parameters - 1} parameters and we ${parameters}: the row is void.`
  expect(result.rows).toEqual([{ name: 'resnet18-28x28x1-b128-fp32', status: 'failed', reason }])
})

test('a peer that cannot train leaves its rows without a figure', async () => {
  const { code, stdout } = await bench(['train', '--rows', '28x28x1-b128-fp32$', '--json'], {
    ...scriptedPeer({ secondsPerStep: {}, parameters }),
  })
  expect(code).toBe(1)
  const result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Result
  const reason = 'No variant of PyTorch could train this task.'
  expect(result.rows).toEqual([{ name: 'resnet18-28x28x1-b128-fp32', status: 'failed', reason }])
})

test('bf16 is skipped, with the reason, where the processor has none', () => {
  const { possible, skipped } = splitByPrecision(comparisons, ['avx512f', 'avx2'])
  expect(possible).toHaveLength(10)
  expect(possible.every(({ precision }) => precision === 'FP32')).toBe(true)
  const reason = 'bf16 needs a processor with avx512_bf16; this one has avx512f, avx2'
  expect(skipped).toHaveLength(5)
  expect(skipped[0]).toEqual({ name: 'resnet18-28x28x1-b128-bf16', status: 'skipped', reason })
  expect(splitByPrecision(comparisons, ['avx512_bf16'])).toEqual({ possible: comparisons, skipped: [] })
})

test('finalists are the best of the precisions in question, and a close runner-up', () => {
  const variant = (precision: 'FP32' | 'BF16', secondsPerStep: number): Qualified => ({
    ...{ precision, secondsPerStep, layout: 'contiguous', compile: false, tcmalloc: null, optimizer: 'fused' },
  })
  const [bf16, near, fp32, far] = [variant('BF16', 1), variant('BF16', 1.04), variant('FP32', 2), variant('FP32', 2.2)]
  const qualified = [bf16, near, fp32, far]
  expect(finalists(qualified, ['FP32', 'BF16'])).toEqual([bf16, near])
  expect(finalists(qualified, ['FP32'])).toEqual([fp32])
  expect(finalists(qualified.slice(0, 2), ['FP32'])).toEqual([])
})

test('a step is counted as direct convolutions without the taps on padding', () => {
  // torchvision states 1.814 G multiply-adds for ResNet-18 at 224x224, taps on padding counted; its first layer has
  // 118,013,952 of them, which are computed twice a step and not three times.
  const task = comparisons.find(({ name }) => name === 'resnet18-224x224x3-b16-fp32')!
  const withPadding = 2 * 16 * (3 * 1_814_073_344 - 118_013_952)
  expect(flopsPerStep(task) / withPadding).toBeGreaterThan(0.9)
  expect(flopsPerStep(task) / withPadding).toBeLessThan(1)
  expect(flopsPerStep({ ...task, globalBatch: 32 })).toBe(2 * flopsPerStep(task))
})

test('layers are told that fall furthest below the peak of one core, by what they really multiply', () => {
  const graph = graphOf(comparisons[0]!)
  const step = (layer: number, kind: string, seconds: number, products: number) => ({
    ...{ layer, kind, forwardSeconds: seconds / 4, backwardSeconds: (3 * seconds) / 4 },
    ...{ forwardProducts: products / 3, backwardProducts: (2 * products) / 3 },
  })
  const profile = {
    ...{ stepSeconds: 1, gradientSeconds: 0.9, waitingSeconds: 0.02, updateSeconds: 0.05, weightCopySeconds: 0.03 },
    steps: [
      step(0, 'direct', 0.5, 20e9),
      step(1, 'batchNorm', 0.2, 0),
      step(4, 'winograd', 0.25, 2e9),
      step(graph.layers.length - 1, 'linear', 0.005, 1e6),
    ],
  }
  const layers = layersBelowPeak(profile, graph, 100e9)
  expect(layers.map(({ name, shareOfPeak }) => [name, shareOfPeak])).toEqual([
    ['layer1.0.conv1', 0.16],
    ['conv1', 0.8],
  ])
  expect(describeLayers(layers.slice(0, 1))).toBe('layer1.0.conv1 (winograd) 16 % of peak in 25 % of the step')
  expect(partShares(profile)).toEqual({ updateShare: 0.05, weightCopyShare: 0.03, waitingShare: 0.02 })
})

test('the share that a neighbour leaves is the median of the rounds', () => {
  const quiet = [
    [1, 2],
    [1, 2],
    [1, 2],
  ]
  const busy = [
    [2, 8],
    [4, 4],
    [1.6, 16],
  ]
  expect([keptShare(quiet, busy, 0), keptShare(quiet, busy, 1)]).toEqual([0.5, 0.25])
})

test('an epoch is what its training steps took; the rest of its time the engine was idle', () => {
  const identity = { run: 'bench', attempt: 1, at: '2026-01-01T00:00:00.000Z' }
  const started = { type: 'started', engine: 'native', engineDetail: 'avx2', stepsPerEpoch: 2 }
  const step = { type: 'step', imagesPerSecond: 25 }
  const epoch = { type: 'epoch', imagesPerSecond: 20, wallSeconds: 12 }
  const events = [started, step, step, epoch].map((event, index) => ({ ...identity, ...event, seq: index + 1 }))
  const measured = epochOf(events as TrainerEvent[], { globalBatch: 100 })
  expect(measured).toMatchObject({ engine: 'native avx2', images: 200, trainSeconds: 10, wallSeconds: 12 })
  expect(measured.idleShare).toBeCloseTo(0.2, 12)
  expect(() => epochOf(events.slice(0, 3) as TrainerEvent[], epochs[0]!)).toThrow('ended before its first epoch did')
})

test('without its data an epoch has no figure', () => {
  expect(() => findFashionMnist(['/nonesuch'])).toThrow('Fashion-MNIST is absent: there is no folder fashion-mnist')
})

interface Script {
  /** By variant, such as `FP32 contiguous eager`; one that is not named cannot train. */
  secondsPerStep: Record<string, number>
  parameters: number
}

/** Environment in which the peer answers by a script. */
function scriptedPeer(script: Script): Record<string, string> {
  const python = join(temporaryFolder(), 'python')
  const peer = fileURLToPath(new URL('scripted-peer.mjs', import.meta.url))
  writeFileSync(python, `#!/bin/sh\nexec '${process.execPath}' '${peer}' "$@"\n`)
  chmodSync(python, 0o755)
  return { TRAINQL_PYTHON: python, SCRIPTED_PEER: JSON.stringify(script) }
}

function rowNamed(result: Result, name: string): Row | undefined {
  return result.rows.find((row) => row.name === name)
}
