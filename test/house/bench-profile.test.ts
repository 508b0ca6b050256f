// The `profile` bench: a step taken apart, by hand and for real.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Row } from '../../bench/bench.ts'
import { carriedOut, medianProfile, partsOf } from '../../bench/profile/parts.ts'
import { partTables } from '../../bench/report.ts'
import { readResult } from '../../bench/result.ts'
import type { StepProfile } from '../../src/trainer/engine.ts'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { bareMaxPool } from '../engine/nets.ts'
import { temporaryFolder } from '../trainer/fixtures/temporary-folder.ts'
import { bench } from './bench-command.ts'

/** Layers of `bareMaxPool`: conv, maxpool, avgpool, fc. */
const profile: StepProfile = {
  stepSeconds: 0.1,
  gradientSeconds: 0.08,
  waitingSeconds: 0.002,
  updateSeconds: 0.01,
  weightCopySeconds: 0.008,
  steps: [
    { layer: 0, kind: 'direct', ...{ forwardSeconds: 0.02, backwardSeconds: 0.03 }, ...products(1e9, 2e9) },
    { layer: 1, kind: 'maxPool', ...{ forwardSeconds: 0.01, backwardSeconds: 0.01 }, ...products(0, 0) },
  ],
}

function products(forwardProducts: number, backwardProducts: number) {
  return { forwardProducts, backwardProducts }
}

test('parts have their times, rates and shares, and make up the step', () => {
  // 100 GFLOP/s at the peak of one device.
  const parts = partsOf(profile, bareMaxPool(), 1e11)
  const none = { kind: null, forwardMs: null, backwardMs: null, gflops: null, shareOfPeak: null }
  expect(parts).toEqual([
    {
      ...{ part: 'conv', kind: 'direct', forwardMs: 20, backwardMs: 30 },
      ...close(50, 0.5),
      ...{ gflops: expect.closeTo(120, 9) as number, shareOfPeak: expect.closeTo(1.2, 9) as number },
    },
    {
      ...{ part: 'maxpool', kind: 'maxPool', forwardMs: 10, backwardMs: 10 },
      ...close(20, 0.2),
      ...{ gflops: null, shareOfPeak: null },
    },
    { ...none, part: 'images, loss, sums over shards', ...close(10, 0.1) },
    { ...none, part: 'all-reduce and update', ...close(10, 0.1) },
    { ...none, part: 'weight copies', ...close(8, 0.08) },
    { ...none, part: 'waiting for the other device', ...close(2, 0.02) },
  ])
  expect(carriedOut(profile)).toBe(6e9)
})

function close(ms: number, shareOfStep: number) {
  return { ms: expect.closeTo(ms, 9) as number, shareOfStep: expect.closeTo(shareOfStep, 9) as number }
}

test('each figure is the median over the rounds', () => {
  const scaled = (factor: number, backward: number): StepProfile => ({
    ...profile,
    stepSeconds: factor,
    steps: profile.steps.map((step) => ({ ...step, forwardSeconds: factor, backwardSeconds: backward })),
  })
  const middle = medianProfile([scaled(1, 9), scaled(3, 7), scaled(2, 8)])
  expect(middle.stepSeconds).toBe(2)
  expect(middle.steps.map(({ forwardSeconds, backwardSeconds }) => [forwardSeconds, backwardSeconds])).toEqual([
    [2, 8],
    [2, 8],
  ])
  expect(middle.steps[0]?.forwardProducts).toBe(1e9)
  expect(() => medianProfile([])).toThrow('no profiles')
})

test('the table of parts ends with the layers furthest below the peak', () => {
  const row = { status: 'measured' as const, unit: 'GFLOP/s', ours: 60, peer: 100, ratio: 0.6, value: null, bar: null }
  const furthestBelowPeak = 'conv (direct) 60 % of peak in 50 % of the step'
  const parts = [
    { part: 'conv', kind: 'direct', forwardMs: 20, ms: 50, shareOfStep: 0.5, gflops: 60, shareOfPeak: 0.6 },
    {
      part: 'all-reduce and update',
      kind: null,
      forwardMs: null,
      ms: 10,
      shareOfStep: 0.1,
      gflops: null,
      shareOfPeak: null,
    },
  ]
  const rows: Row[] = [
    { ...row, name: 'a', detail: { furthestBelowPeak }, parts },
    { ...row, name: 'whole', detail: {} },
    { name: 'b', status: 'skipped' as const, reason: 'no bf16' },
  ]
  expect(partTables(rows)).toEqual([
    [
      'a',
      'part                     kind  forward ms     ms  of step  GFLOP/s  of peak',
      'conv                   direct       20.00  50.00   50.0 %    60.00   60.0 %',
      'all-reduce and update                      10.00   10.0 %',
      `furthest below the peak: ${furthestBelowPeak}`,
    ].join('\n'),
  ])
})

const probe = probeNativeEngine()
test('takes a real step apart, beside the peak that the peer reaches', async (context) => {
  if (!probe.available) context.skip(probe.detail)
  const out = join(temporaryFolder(), 'result.json')
  const name = 'resnet18-28x28x1-b128-fp32'
  const args = ['profile', '--rows', `${name}$`, '--rounds', '1', '--json', '--out', out]
  const { code, stdout, stderr } = await bench(args, scriptedPeer())
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })

  const [row] = readResult(out).rows
  if (row?.status !== 'measured') throw new Error(`no figure: ${JSON.stringify(row)}`)
  expect(row).toMatchObject({ name, unit: 'GFLOP/s', peer: 1000, value: null })
  expect(row.ratio).toBeCloseTo((row.ours ?? NaN) / 1000, 12)
  expect(row.detail).toMatchObject({ peer: 'PyTorch 0.0', globalBatch: 128, shards: 2, devices: 2, rounds: 1 })
  const names = row.parts?.map(({ part }) => part)
  // 20 convolutions, as many batch norms, two pools, the linear layer, and what lies beside the plan.
  expect(names).toHaveLength(20 + 20 + 3 + 4)
  expect(names).toContain('layer2.0.downsample.0')
  expect(names?.slice(-4)).toEqual([
    'images, loss, sums over shards',
    'all-reduce and update',
    'weight copies',
    'waiting for the other device',
  ])
  const total = row.parts?.reduce((sum, { shareOfStep }) => sum + Number(shareOfStep), 0)
  expect(total).toBeLessThanOrEqual(1.000001)
  expect(total).toBeGreaterThan(0.5)
  expect(String(row.detail['furthestBelowPeak']).split(', ')).toHaveLength(3)
  const lines = stdout.trimEnd().split('\n')
  expect(lines.at(-2)).toBe(`furthest below the peak: ${String(row.detail['furthestBelowPeak'])}`)
  expect(JSON.parse(lines.at(-1) ?? '')).toEqual(JSON.parse(readFileSync(out, 'utf8')))
})

/** Environment in which the peer answers as scripted-peer.mjs does. */
function scriptedPeer(): Record<string, string> {
  const python = join(temporaryFolder(), 'python')
  const peer = fileURLToPath(new URL('scripted-peer.mjs', import.meta.url))
  writeFileSync(python, `#!/bin/sh\nexec '${process.execPath}' '${peer}' "$@"\n`)
  chmodSync(python, 0o755)
  return { TRAINQL_PYTHON: python, SCRIPTED_PEER: '{}' }
}
