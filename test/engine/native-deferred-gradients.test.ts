// Weight gradients that are left for the end of the backward pass, where any device may compute them: the same bits, whoever does.
import { describe, expect, test } from 'vitest'
import { probeNativeEngine } from '../../src/trainer/engines/native.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { narrowBottlenecks, narrowResNet } from './nets.ts'
import { trainByAddon, type AddonSettings } from './plan-limits.ts'

/** More devices than cores, so that no two get to the end at the same time. */
const crowded = [[0], [0], [0], [0]]
const cases: [string, Omit<AddonSettings, 'globalBatch'>][] = [
  ['one shard a device', { shards: 2, deviceCores: [[0], [1]] }],
  ['two shards a device', { shards: 4, deviceCores: [[0], [1]] }],
  ['four devices on one core', { shards: 4, deviceCores: crowded }],
  ['four devices on one core, two shards each', { shards: 8, deviceCores: crowded }],
  [
    'devices of two cores each',
    {
      shards: 2,
      deviceCores: [
        [0, 1],
        [1, 0],
      ],
    },
  ],
  ['activations made anew', { shards: 4, deviceCores: crowded, mostKeptBytes: 0 }],
  ['batch norm over the global batch', { shards: 4, deviceCores: crowded, syncBatchNorm: true }],
  [
    'activations made anew, batch norm over the global batch',
    { shards: 2, deviceCores: [[0], [0]], mostKeptBytes: 0, syncBatchNorm: true },
  ],
]

const probe = probeNativeEngine()
describe.skipIf(!probe.available)(`deferred weight gradients (${probe.detail})`, () => {
  describe.each(probe.precisions)('%s', (precision) => {
    describe.each([
      ['basic blocks', narrowResNet()],
      ['bottlenecks', narrowBottlenecks()],
    ])('%s', (_, graph) => {
      test.each(cases)('%s: the bits of a single device, and of none deferred', async (_, settings) => {
        const task = { ...settings, globalBatch: 32, precision }
        const deferred = await trainByAddon(graph, task)
        const none = await trainByAddon(graph, { ...task, mostDeferredBytes: 0 })
        const single = await trainByAddon(graph, { ...task, deviceCores: [[0]] })
        expect(new Set(deferred.trained.losses).size).toBe(3)
        expect(deferred.trained).toEqual(none.trained)
        expect(deferred.trained).toEqual(single.trained)
        // They have room of their own.
        expect(deferred.memoryBytes).toBeGreaterThan(none.memoryBytes)
      })
    })

    test.each([2, 4])(
      "%i devices, filters of Winograd's transform in parts and as a whole: the bits of a single device",
      async (devices) => {
        const graph = resnet({
          architecture: 'RESNET18',
          classes: 10,
          input: { channels: 1, height: 28, width: 28 },
        })
        const task = { globalBatch: 16 * devices, shards: devices, precision }
        const several = await trainByAddon(graph, { ...task, deviceCores: crowded.slice(0, devices) })
        const single = await trainByAddon(graph, { ...task, deviceCores: [[0]] })
        expect(several.trained).toEqual(single.trained)
      },
    )
  })

  test('more shards a device than are at work at once: none is deferred', async () => {
    const task = { globalBatch: 32, shards: 8, deviceCores: [[0], [1]] }
    const graph = narrowResNet()
    const { memoryBytes } = await trainByAddon(graph, task)
    expect(memoryBytes).toBe((await trainByAddon(graph, { ...task, mostDeferredBytes: 0 })).memoryBytes)
  })
})
