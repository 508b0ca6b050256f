// What events make of a run, which is pure.
import { expect, test } from 'vitest'
import { emptyProjection, projectEvents } from '../../src/server/runs/run.projection.ts'
import type { RunEvent, TrainerEvent } from '../../src/shared/events.ts'

const event = (fields: Record<string, unknown>): TrainerEvent =>
  ({ run: 'r', attempt: 1, seq: 9, at: '2025-01-01T00:00:00.000Z', ...fields }) as TrainerEvent
const at = '2025-01-01T00:00:00.000Z'
const server = (seq: number, fields: Record<string, unknown>): RunEvent =>
  ({ run: 'r', attempt: 0, seq, at, behind: { attempt: 0, seq: 0 }, ...fields }) as RunEvent

test.each([
  ['DRAIN', { tries: 1, waitingSince: new Date(at) }],
  ['USER', { tries: 0, waitingSince: new Date('2025-01-02T00:00:00.000Z') }],
])('resumed after a pause by %s it counts its tries and its place in the queue as it should', (reason, expected) => {
  const { run } = projectEvents(emptyProjection, [
    server(1, { type: 'queued' }),
    server(2, { type: 'leased', toAttempt: 1, devices: ['cpu:0'], backfilledUntil: null }),
    server(3, { type: 'retryScheduled', checkpoint: null, notBefore: at }),
    server(4, { type: 'leased', toAttempt: 2, devices: ['cpu:0'], backfilledUntil: null }),
    server(5, { type: 'pauseRequested', reason }),
    server(6, { type: 'paused', reason, checkpoint: '2-00000007' }),
    server(7, { type: 'resumeRequested', checkpoint: '2-00000007', devices: null, at: '2025-01-02T00:00:00.000Z' }),
  ])
  expect(run).toMatchObject({ ...expected, state: 'QUEUED', pauseReason: null, resumeFrom: '2-00000007' })
})

test('a run that is being canceled stays so when its trainer only now says that it started', () => {
  const { run, attemptsLeased, attemptsStarted } = projectEvents(emptyProjection, [
    server(1, { type: 'queued' }),
    server(2, { type: 'leased', toAttempt: 1, devices: ['cpu:0'], backfilledUntil: null }),
    server(3, { type: 'cancelRequested' }),
    event({ type: 'started', seq: 1, engine: 'native', engineDetail: 'x', parameters: 7, stepsPerEpoch: 2 }),
  ])
  expect(run).toMatchObject({ state: 'CANCELING', attempt: 1, engine: 'native', parameters: 7n, lastCursor: 4 })
  expect(attemptsLeased).toEqual([{ number: 1, deviceNames: ['cpu:0'], leasedAt: new Date(at), isHeld: true }])
  expect(attemptsStarted).toEqual([{ number: 1, at: new Date(at), startStep: 0 }])
})
