// The storm's own parts, apart from any process: that its plan is a seed's, and that its reading of the files is right.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { holdsMark, listWrittenParts, markLog, readOrderedEvents } from '../../bench/chaos/event-order.ts'
import { countKinds, faultKinds, planStorm } from '../../bench/chaos/plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'trainql-chaos-test-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a plan is the same for the same seed, another for another, and holds each kind as often as it says', () => {
  const plan = planStorm({ seed: 7, faults: 210, kinds: faultKinds, pace: 1 })
  expect(planStorm({ seed: 7, faults: 210, kinds: faultKinds, pace: 1 })).toEqual(plan)
  expect(planStorm({ seed: 8, faults: 210, kinds: faultKinds, pace: 1 })).not.toEqual(plan)
  const planned = Object.values(plan).flat()
  const counts = countKinds(210, faultKinds)
  for (const kind of faultKinds) expect(planned.filter((fault) => fault.kind === kind)).toHaveLength(counts[kind] ?? 0)
  expect(planned).toHaveLength(210)
  expect(plan.server.every(({ kind }) => kind === 'server-kills')).toBe(true)
  expect(plan.server.length).toBeGreaterThanOrEqual(50)
  expect(Math.abs(plan.trainers.length - plan.moreTrainers.length)).toBeLessThanOrEqual(1)
})

test.each([
  { faults: 1, kinds: faultKinds, counts: { 'server-kills': 1 } },
  { faults: 50, kinds: ['server-kills'] as const, counts: { 'server-kills': 50 } },
  { faults: 3, kinds: ['trainer-kills', 'full-disks'] as const, counts: { 'trainer-kills': 2, 'full-disks': 1 } },
])('$faults faults of $kinds.length kinds', ({ faults, kinds, counts }) => {
  const got = Object.entries(countKinds(faults, kinds)).filter(([, count]) => count > 0)
  expect(Object.fromEntries(got)).toEqual(counts)
})

const at = '2026-01-01T00:00:00.000Z'
const line = (attempt: number, seq: number, rest: Record<string, unknown>): string =>
  `${JSON.stringify({ run: 'r', attempt, seq, at, ...rest })}\n`
const stopped = { type: 'stopped', step: 0, lastCheckpoint: null }

test('events of both files come in the order that the server’s own say, and none behind a release', () => {
  const events = (attempt: number): string => join(folder, `events.${attempt}.jsonl`)
  writeFileSync(events(1), [...[1, 2, 3, 4].map((seq) => line(1, seq, stopped)), '{"run":"r","att'].join(''))
  writeFileSync(events(2), line(2, 1, stopped))
  const server: [Record<string, unknown>, number, number][] = [
    [{ type: 'queued' }, 0, 0],
    [{ type: 'leased', toAttempt: 1, devices: [] }, 0, 0],
    [{ type: 'cancelRequested' }, 1, 2],
    [{ type: 'released', toAttempt: 1, devices: [] }, 1, 3],
    [{ type: 'leased', toAttempt: 2, devices: [] }, 1, 3],
  ]
  const serverFile = join(folder, 'events.server.jsonl')
  writeFileSync(
    serverFile,
    server.map(([rest, attempt, seq], index) => line(0, index + 1, { behind: { attempt, seq }, ...rest })).join(''),
  )
  const order = (): string[] => readOrderedEvents(folder).events.map(({ attempt, seq }) => `${attempt}/${seq}`)
  const released = ['0/1', '0/2', '1/1', '1/2', '0/3', '1/3', '0/4', '0/5']
  expect(order()).toEqual([...released, '2/1'])
  expect(readOrderedEvents(folder).missing).toBe(0)
  appendFileSync(
    serverFile,
    line(0, 6, { behind: { attempt: 2, seq: 3 }, type: 'released', toAttempt: 2, devices: [] }),
  )
  expect(order()).toEqual([...released, '2/1', '0/6'])
  expect(readOrderedEvents(folder).missing).toBe(2)
})

test('a mark holds while the log goes on, whatever is torn off behind its last whole line, and not where a line is lost', () => {
  const file = join(folder, 'log.jsonl')
  writeFileSync(file, 'one\ntwo\nthr')
  const mark = markLog(file)
  expect(mark.bytes).toBe(8)
  writeFileSync(file, 'one\ntwo\nthree\n')
  expect(holdsMark(mark)).toBe(true)
  writeFileSync(file, 'one\ntwx\nthree\n')
  expect(holdsMark(mark)).toBe(false)
  writeFileSync(file, 'one\n')
  expect(holdsMark(mark)).toBe(false)
})

test('a line is torn off in the part that is written to, not in a sealed one or in one that nobody names', () => {
  const parts = join(folder, 'parts')
  mkdirSync(parts)
  const [first, second] = [join(parts, 'events.1.jsonl'), join(parts, 'events.1.2.jsonl')]
  const link = (part: number, lastSeq: number, rest: Record<string, unknown>): string =>
    `${JSON.stringify({ run: 'r', attempt: 1, part, lastSeq, ...rest })}\n`
  writeFileSync(first, line(1, 1, stopped))
  writeFileSync(second, link(2, 1, { type: 'partOpened', previous: 'events.1.jsonl' }))
  expect(listWrittenParts(parts, 1)).toEqual([first])
  appendFileSync(first, link(1, 1, { type: 'partSealed', next: 'events.1.2.jsonl' }))
  expect(listWrittenParts(parts, 1)).toEqual([first, second])
  expect(listWrittenParts(parts, 2)).toEqual([])
})
