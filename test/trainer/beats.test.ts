// What heartbeats say of replicas that move, wait and stall, whatever the clock does.
import { expect, test } from 'vitest'
import { parseHeartbeat } from '../../src/shared/run-directory.ts'
import { createBeats, type Beats } from '../../src/trainer/beats.ts'
import { createProgress } from '../../src/trainer/progress.ts'
import { createReplicaRows, createReplicaTeller, type ReplicaTeller } from '../../src/trainer/replica-progress.ts'

interface Watched {
  beats: Beats
  replicas: ReplicaTeller
  setClock: (time: string) => void
}

function watched(): Watched {
  const progress = createProgress()
  progress.advance(2, 40)
  let clock = '2026-03-01T10:00:00.000Z'
  const beats = createBeats({ run: 'r', attempt: 3, pid: 7, progress: progress.shared, now: () => new Date(clock) })
  const rows = createReplicaRows(2)
  const replicas = createReplicaTeller(rows, 2)
  beats.watch({ devices: ['cpu:0', 'cpu:1'], rows, startStep: 40 })
  return {
    beats,
    replicas,
    setClock(time) {
      clock = time
    },
  }
}

test('beats are counted from 1; before training there are no replicas', () => {
  const { shared } = createProgress()
  const beats = createBeats({ run: 'r', attempt: 1, pid: 7, progress: shared, now: () => new Date() })
  expect([beats.next(), beats.next()]).toMatchObject([
    { beat: 1, epoch: 0, step: 0, replicas: [] },
    { beat: 2, replicas: [] },
  ])
})

test('a replica at work that does not move has stalled, one that waits has not, and moving ends it', () => {
  const { beats, replicas } = watched()
  replicas.turnTo(1)
  replicas.tick()
  expect(beats.next()).toMatchObject({
    run: 'r',
    attempt: 3,
    pid: 7,
    beat: 1,
    epoch: 2,
    step: 40,
    replicas: [
      { device: 'cpu:0', step: 40, resting: true, stalledBeats: 0 },
      { device: 'cpu:1', step: 40, resting: false, movedBeat: 1, stalledBeats: 0 },
    ],
  })
  beats.next()
  beats.next()
  expect(beats.next().replicas).toMatchObject([
    { resting: true, movedBeat: 1, stalledBeats: 0 },
    { resting: false, movedBeat: 1, stalledBeats: 3 },
  ])
  replicas.endStep()
  expect(beats.next().replicas).toMatchObject([
    { step: 41, movedBeat: 5, stalledBeats: 0 },
    { step: 41, movedBeat: 5, stalledBeats: 0 },
  ])
})

test('work that begins after a long rest has not stalled for that long', () => {
  const { beats, replicas } = watched()
  for (let i = 0; i < 90; i += 1) beats.next()
  replicas.turnTo(0)
  expect(beats.next().replicas[0]).toMatchObject({ resting: false, movedBeat: 1, stalledBeats: 1 })
})

test('a clock that jumps shows in the times for people, and in nothing else', () => {
  const [steady, jumping] = [watched(), watched()]
  const course = [steady, jumping].map(({ beats, replicas, setClock }, index) => {
    replicas.turnTo(0)
    return ['2026-03-01T10:00:01.000Z', '2031-01-01T00:00:00.000Z', '1999-01-01T00:00:00.000Z'].map((time) => {
      if (index === 1) setClock(time)
      return parseHeartbeat(beats.next())
    })
  })
  const untimed = course.map((heartbeats) =>
    heartbeats.map(({ beat, step, replicas }) => ({
      beat,
      step,
      replicas: replicas.map((replica) => ({ ...replica, progressAt: '' })),
    })),
  )
  expect(untimed[1]).toEqual(untimed[0])
  expect(course[1]?.map(({ at }) => at.slice(0, 4))).toEqual(['2026', '2031', '1999'])
})
