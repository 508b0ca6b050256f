// One answer: every way to train, on every way to share the shards out, gives the bits that one device gives.
import { describe, expect, test } from 'vitest'
import type { AssignedDevice } from '../../src/shared/run-spec.ts'
import type { SessionSpec, StateDict } from '../../src/trainer/engine.ts'
import { resnet } from '../../src/trainer/models/resnet.ts'
import { norm } from './distance.ts'
import { adam, batchOf, expectSame, sgd, type Harness, type Opening } from './harness.ts'
import { narrowBottlenecks, narrowResNet } from './nets.ts'
import { trainedBits } from './training.ts'

/** A number format to compute in: one more row of the table for each. */
export interface Format {
  name: string
  spec: Partial<SessionSpec>
}

/** Cores of each device. They overlap on small machines: what counts here is the answer, not the speed. */
const arrangements: readonly (readonly number[])[][] = [[[0, 1]], [[0], [1]], [[0], [1], [0], [1]]]

type Training = Opening & { globalBatch: number; steps: number }

const optimizers = [sgd, adam]
/** Half the norm of a first gradient or less. */
const clipNorm = 0.25
/** Up to one on each device, and several that a device takes in turn: that is gradient accumulation. */
const shardCounts = [4, 8]

export function describeExactness(harness: Harness, formats: readonly Format[]): void {
  describe('bit-equal on 1, 2 and 4 devices', () => {
    const narrow = { graph: narrowResNet(), globalBatch: 16, steps: 4 }
    const rows = formats.flatMap(({ name, spec }) =>
      optimizers.flatMap((optimizer) =>
        [null, clipNorm].flatMap((limit) =>
          shardCounts.flatMap((shards) =>
            [false, true].map((syncBatchNorm): [string, Training] => [
              `${name} ${optimizer.kind}${limit === null ? '' : ' clipped'}, ${shards} shards${syncBatchNorm ? ', syncBatchNorm' : ''}`,
              { ...spec, ...narrow, optimizer, clipNorm: limit, shards, syncBatchNorm },
            ]),
          ),
        ),
      ),
    )
    test.each(rows)('%s', (_, training) => expectOneAnswer(training))

    // With shapes and a shard batch that the kernel table may have entries for.
    const whole = resnet({ architecture: 'RESNET18', input: { channels: 1, height: 28, width: 28 }, classes: 10 })
    for (const { name, spec } of formats) {
      // Taps that only meet padding may be updated many steps at once.
      test.each(optimizers)(`${name} $kind, 20 steps`, (optimizer) =>
        expectOneAnswer({ ...spec, ...narrow, optimizer, shards: 4, steps: 20 }),
      )

      // Their first convolution may have kernels of its own.
      test(`${name} images of three channels, 4 shards`, () =>
        expectOneAnswer({ ...spec, graph: narrowBottlenecks(), globalBatch: 20, shards: 4, optimizer: sgd, steps: 3 }))

      test(`${name} ResNet-18, Adam clipped, 4 shards`, () =>
        expectOneAnswer({ ...spec, graph: whole, globalBatch: 128, shards: 4, optimizer: adam, clipNorm, steps: 2 }))
    }

    test.each(formats)('the limit of the clipped rows takes hold', async ({ spec }) => {
      const opening = { ...narrow, ...spec, shards: 4 }
      const session = await harness.opened(opening)
      const { gradients } = await session.gradients(batchOf(narrow.graph, narrow.globalBatch))
      expect(wholeNorm(gradients)).toBeGreaterThan(2 * clipNorm)
      const free = await trainedBits(session, narrow)
      const clipped = await trainedBits(await harness.opened({ ...opening, clipNorm }), narrow)
      expect(clipped.losses[0]).toBe(free.losses[0])
      expect(clipped.losses[1]).not.toBe(free.losses[1])
    })
  })

  async function expectOneAnswer({ steps, ...opening }: Training): Promise<void> {
    const trained = async (cores: readonly (readonly number[])[]) => {
      const session = await harness.opened({ ...opening, devices: devicesOf(cores) })
      const bits = await trainedBits(session, { ...opening, steps })
      await session.close()
      return bits
    }
    const expected = await trained([[0]])
    expect(expected.losses).toSatisfy((losses: number[]) => losses.every(Number.isFinite))
    for (const cores of arrangements) {
      const actual = await trained(cores)
      expect(actual.losses, `losses on the cores ${JSON.stringify(cores)}`).toEqual(expected.losses)
      expectSame(actual.state, expected.state)
      expectSame(actual.slots, expected.slots)
    }
  }
}

function devicesOf(cores: readonly (readonly number[])[]): AssignedDevice[] {
  return cores.map((ofDevice, index) => ({ kind: 'CPU', name: `cpu:${index}`, cores: [...ofDevice] }))
}

function wholeNorm(gradients: StateDict): number {
  return norm([...gradients.values()].map(({ data }) => norm(data)))
}
