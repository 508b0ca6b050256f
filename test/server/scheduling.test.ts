// The decisions of scheduling, which are pure: who gets which devices.
import { expect, test } from 'vitest'
import type { DeviceRecord } from '../../src/server/devices/device.record.ts'
import { planLeases, type QueuedRequest } from '../../src/server/scheduling/plan-leases.ts'
import { emptyProjection, projectEvents } from '../../src/server/runs/run.projection.ts'
import type { RunEvent, TrainerEvent } from '../../src/shared/events.ts'

const device = (name: string, runId: string | null = null, present = true): DeviceRecord => ({
  name,
  kind: name.startsWith('cpu') ? 'CPU' : 'CUDA',
  ordinal: Number(name.split(':')[1]),
  model: 'test',
  cores: [0],
  uuid: null,
  memoryBytes: 1n,
  present,
  runId,
})
const named = (runId: string, ...names: string[]): QueuedRequest => ({ runId, request: { kind: 'NAMED', names } })
const counted = (runId: string, count: number, deviceKind: 'CPU' | 'CUDA' = 'CPU'): QueuedRequest => ({
  runId,
  request: { kind: 'COUNT', count, max: null, deviceKind },
})

function plan(queue: QueuedRequest[], devices: DeviceRecord[]) {
  const { grants, waiting } = planLeases(queue, devices)
  return {
    grants: Object.fromEntries(grants.map(({ runId, devices: given }) => [runId, given.map(({ name }) => name)])),
    waiting: Object.fromEntries(waiting),
  }
}

test.each<[what: string, queue: QueuedRequest[], devices: DeviceRecord[], expected: ReturnType<typeof plan>]>([
  [
    'oldest first, each its own',
    [counted('a', 1), counted('b', 1)],
    [device('cpu:0'), device('cpu:1')],
    { grants: { a: ['cpu:0'], b: ['cpu:1'] }, waiting: {} },
  ],
  [
    'named devices in the order of the names',
    [named('a', 'cpu:1', 'cpu:0')],
    [device('cpu:0'), device('cpu:1')],
    { grants: { a: ['cpu:1', 'cpu:0'] }, waiting: {} },
  ],
  [
    'a young small run does not take what an old large one waits for',
    [counted('large', 2), counted('small', 1)],
    [device('cpu:0'), device('cpu:1', 'other')],
    {
      grants: {},
      waiting: {
        large: '2 CPU devices, 1 free: cpu:1, held by run other',
        small: '1 CPU device, 0 free: cpu:0, held by run large; cpu:1, held by run other',
      },
    },
  ],
  [
    'kinds and names that do not meet do not wait for one another',
    [named('a', 'cpu:0'), counted('b', 1, 'CUDA'), named('c', 'cpu:1')],
    [device('cpu:0', 'other'), device('cpu:1'), device('cuda:0')],
    { grants: { b: ['cuda:0'], c: ['cpu:1'] }, waiting: { a: 'cpu:0, held by run other' } },
  ],
  [
    'a device that is gone is given to nobody',
    [named('a', 'cpu:1'), counted('b', 2), counted('c', 1)],
    [device('cpu:0'), device('cpu:1', null, false)],
    {
      grants: {},
      waiting: {
        a: 'cpu:1 is not there any more',
        b: '2 CPU devices; the machine has 1',
        c: '1 CPU device, 0 free: cpu:0, held by run b',
      },
    },
  ],
])('leases: %s', (_what, queue, devices, expected) => {
  expect(plan(queue, devices)).toEqual(expected)
})

const event = (fields: Record<string, unknown>): TrainerEvent =>
  ({ run: 'r', attempt: 1, seq: 9, at: '2025-01-01T00:00:00.000Z', ...fields }) as TrainerEvent
test('a run that is being canceled stays so when its trainer only now says that it started', () => {
  const at = '2025-01-01T00:00:00.000Z'
  const server = (seq: number, fields: Record<string, unknown>): RunEvent =>
    ({ run: 'r', attempt: 0, seq, at, behind: { attempt: 0, seq: 0 }, ...fields }) as RunEvent
  const { run, attemptsLeased, attemptsStarted } = projectEvents(emptyProjection, [
    server(1, { type: 'queued' }),
    server(2, { type: 'leased', toAttempt: 1, devices: ['cpu:0'] }),
    server(3, { type: 'cancelRequested' }),
    event({ type: 'started', seq: 1, engine: 'native', engineDetail: 'x', parameters: 7, stepsPerEpoch: 2 }),
  ])
  expect(run).toMatchObject({ state: 'CANCELING', attempt: 1, engine: 'native', parameters: 7n, lastCursor: 4 })
  expect(attemptsLeased).toEqual([{ number: 1, deviceNames: ['cpu:0'], leasedAt: new Date(at) }])
  expect(attemptsStarted).toEqual([{ number: 1, at: new Date(at), startStep: 0 }])
})
