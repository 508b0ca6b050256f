// How long a trainer was silent and which replica has stalled: by what changed and how long this server listened.
import { describe, expect, test } from 'vitest'
import { type Heartbeat, parseHeartbeat, type ReplicaBeat } from '../../src/shared/run-directory.ts'
import { createSilence, type Silence } from '../../src/server/scheduling/silence.ts'
import { findStalled, hasMoved } from '../../src/server/scheduling/stall.ts'

function silenceAt(): { silence: Silence; pass: (milliseconds: number) => void } {
  let now = 5_000
  const silence = createSilence({ monotonicMs: () => now, longestGapMs: 2_000 })
  return { silence, pass: (milliseconds) => (now += milliseconds) }
}

describe('silence', () => {
  test('grows while the heartbeat stays the same, and ends with another one, whatever time it names', () => {
    const { silence, pass } = silenceAt()
    const looks = ['{"at":"2026"}', '{"at":"2026"}', '{"at":"2026"}', '{"at":"1999"}', '{"at":"1999"}'].map((text) => {
      pass(1_000)
      return silence.look(text)
    })
    expect(looks.map(({ silentMs }) => silentMs)).toEqual([1_000, 2_000, 3_000, 0, 1_000])
    expect(looks.map(({ moved }) => moved)).toEqual([false, false, false, true, false])
  })

  test('what lies there at the first look is no sign of life, the first that comes is', () => {
    const { silence } = silenceAt()
    expect(silence.look('old')).toMatchObject({ moved: false, everHeard: true })
    const fresh = silenceAt().silence
    expect(fresh.look(null)).toMatchObject({ moved: false, everHeard: false })
    expect(fresh.look('first')).toMatchObject({ moved: true, everHeard: true })
  })

  test('a heartbeat that cannot be read for once is no other one', () => {
    const { silence, pass } = silenceAt()
    silence.look('a')
    pass(500)
    silence.look(null)
    pass(500)
    expect(silence.look('a')).toMatchObject({ moved: false, silentMs: 1_000 })
  })

  test('another sign of life ends it', () => {
    const { silence, pass } = silenceAt()
    silence.look('a')
    pass(1_500)
    silence.heard()
    pass(500)
    expect(silence.look('a')).toMatchObject({ moved: false, silentMs: 500 })
  })

  test('a server that did not look for an hour has not listened for an hour', () => {
    const { silence, pass } = silenceAt()
    silence.look('a')
    pass(3_600_000)
    expect(silence.look('a').silentMs).toBe(2_000)
  })
})

function heartbeatOf(...replicas: Partial<ReplicaBeat>[]): Heartbeat {
  const at = '2026-03-01T10:00:00.000Z'
  return parseHeartbeat({
    ...{ run: 'r', attempt: 1, pid: 1, beat: 100, at, epoch: 1, step: 5, progressAt: at },
    replicas: replicas.map((replica, index) => ({
      ...{ device: `cpu:${index}`, step: 5, resting: false, movedBeat: 100, stalledBeats: 0, progressAt: at },
      ...replica,
    })),
  })
}

describe('a stall', () => {
  test('is that of the replica behind; those that wait for it and those that move are not named', () => {
    const heartbeat = heartbeatOf(
      { resting: true, movedBeat: 10 },
      { stalledBeats: 90, step: 4 },
      {},
      { stalledBeats: 70 },
    )
    expect(findStalled(heartbeat, 60)).toEqual({ replica: 1, device: 'cpu:1', step: 4, stalledSeconds: 90 })
    expect(findStalled(heartbeat, 90)).toMatchObject({ replica: 1 })
    expect(findStalled(heartbeat, 91)).toBeNull()
    expect(findStalled(heartbeatOf(), 1)).toBeNull()
  })

  test('ends when the replica moves or has nothing left to do', () => {
    const stall = { replica: 1, device: 'cpu:1', step: 4, since: '2026-03-01T10:00:00.000Z' }
    expect(hasMoved(heartbeatOf({}, { stalledBeats: 90 }), stall)).toBe(false)
    expect(hasMoved(heartbeatOf({ stalledBeats: 5 }, { stalledBeats: 0 }), stall)).toBe(true)
  })

  test('heartbeats of earlier versions tell of no replicas and no beats', () => {
    const { replicas: _, beat: __, ...earlier } = heartbeatOf({})
    expect(parseHeartbeat(earlier)).toMatchObject({ beat: 0, replicas: [] })
  })
})
