// The event log: numbering, whole lines, torn lines, a full disk.
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { entryCommand } from '../../src/shared/entry.ts'
import { findLineDamage } from '../../src/shared/event-line.ts'
import { parseTrainerEvent, type TrainerEvent, type Unidentified } from '../../src/shared/events.ts'
import { noReserve, reserveDisk } from '../../src/trainer/disk.ts'
import { openEventLog, type EventLog } from '../../src/trainer/event-log.ts'
import { onSmallDisk, skipWithoutSmallDisk, smallDisk } from './fixtures/small-disk.ts'
import { temporaryFolder } from './fixtures/temporary-folder.ts'

function step(number: number): Unidentified<TrainerEvent> {
  return {
    type: 'step',
    epoch: 1,
    step: number,
    loss: 1 / number,
    nonFinite: false,
    learningRate: 0.1,
    imagesPerSecond: 9,
  }
}

function open(folder: string): EventLog {
  return openEventLog({ file: join(folder, 'events.1.jsonl'), run: 'r', attempt: 1, reserve: noReserve })
}

function read(folder: string): TrainerEvent[] {
  const text = readFileSync(join(folder, 'events.1.jsonl'), 'utf8')
  expect(text === '' || text.endsWith('\n')).toBe(true)
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => parseTrainerEvent(JSON.parse(line)))
}

describe('openEventLog', () => {
  test('writes each event once, numbered from 1, in order', () => {
    const folder = temporaryFolder()
    const log = open(folder)
    for (let number = 1; number <= 1000; number += 1) log.append(step(number))
    log.close()
    const events = read(folder)
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1))
    expect(events[2]).toEqual({ run: 'r', attempt: 1, seq: 3, at: expect.any(String) as string, ...step(3) })
    expect(new Set(events.map(({ run, attempt }) => `${run} ${attempt}`))).toEqual(new Set(['r 1']))
  })

  test('from when it may not write any more nothing is written, of what was queued either, and each event says why', () => {
    const folder = temporaryFolder()
    let over = false
    const beforeWrite = (): void => {
      if (over) throw new Error('over')
    }
    const file = join(folder, 'events.1.jsonl')
    const log = openEventLog({ file, run: 'r', attempt: 1, reserve: noReserve, beforeWrite })
    log.append(step(1))
    log.append(step(2))
    over = true
    expect(() => log.flush()).toThrow('over')
    expect(() => log.append(step(3))).toThrow('over')
    expect(() => log.append({ type: 'stopped', step: 3, lastCheckpoint: null })).toThrow('over')
    expect(() => log.sync()).toThrow('over')
    log.abandon()
    expect(read(folder).map(({ seq }) => seq)).toEqual([1])
  })

  test('shows the first of a burst at once and the rest without being asked', async () => {
    const folder = temporaryFolder()
    const log = open(folder)
    log.append(step(1))
    expect(read(folder)).toHaveLength(1)
    for (let number = 2; number <= 50; number += 1) log.append(step(number))
    expect(read(folder).length).toBeLessThan(50)
    await expect.poll(() => read(folder).length).toBe(50)
    log.close()
    expect(read(folder)).toHaveLength(50)
  })

  test('an event that ends the run is in the file when append returns', () => {
    const folder = temporaryFolder()
    const log = open(folder)
    log.append(step(1))
    log.append(step(2))
    log.append({ type: 'finished', epochs: 1, step: 2, wallSeconds: 1 })
    expect(read(folder).map(({ type }) => type)).toEqual(['step', 'step', 'finished'])
    log.close()
  })

  test('goes on behind the last whole line and cuts off a torn one', () => {
    const folder = temporaryFolder()
    const first = open(folder)
    first.append(step(1))
    first.append(step(2))
    first.close()
    appendFileSync(join(folder, 'events.1.jsonl'), '{"run":"r","attempt":1,"se')
    const second = open(folder)
    second.append(step(3))
    second.close()
    expect(read(folder).map(({ seq }) => seq)).toEqual([1, 2, 3])
  })

  test.each(['', '{"run":"r","att'])('begins at 1 in a file that holds only %j', (text) => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'events.1.jsonl'), text)
    const log = open(folder)
    log.append(step(1))
    log.close()
    expect(read(folder).map(({ seq }) => seq)).toEqual([1])
  })
})

describe('a log in parts', () => {
  /** Six steps fill a part of so many bytes. */
  const partBytes = 1000
  const openInParts = (folder: string): EventLog =>
    openEventLog({ file: join(folder, 'events.1.jsonl'), run: 'r', attempt: 1, reserve: noReserve, partBytes })
  const append = (log: EventLog, from: number, to: number): void => {
    for (let number = from; number <= to; number += 1) {
      log.append(step(number))
      log.flush()
    }
  }
  /** `part: first..last event, links` of each file. */
  const partsOf = (folder: string): string[] =>
    readdirSync(folder)
      .sort()
      .map((name) => {
        const lines = readFileSync(join(folder, name), 'utf8').split('\n')
        expect(lines.pop()).toBe('')
        const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
        return `${name} ${records.map(({ type, seq, lastSeq }) => (type === 'step' ? seq : `${String(type)}@${String(lastSeq)}`)).join(' ')}`
      })

  test('goes on in another part when one is full, linked at both ends; what it was named by stays the first', () => {
    const folder = temporaryFolder()
    const log = openInParts(folder)
    append(log, 1, 14)
    log.close()
    expect(partsOf(folder)).toEqual([
      'events.1.2.jsonl partOpened@6 7 8 9 10 11 partSealed@11',
      'events.1.3.jsonl partOpened@11 12 13 14',
      'events.1.jsonl 1 2 3 4 5 6 partSealed@6',
    ])
    const [sealed] = readFileSync(join(folder, 'events.1.jsonl'), 'utf8').trimEnd().split('\n').slice(-1)
    expect(JSON.parse(sealed ?? '')).toMatchObject({ run: 'r', attempt: 1, part: 1, next: 'events.1.2.jsonl' })
    expect(findLineDamage(Buffer.from(sealed ?? ''))).toBeNull()
  })

  test('leaves no part without an event behind its last words', () => {
    const folder = temporaryFolder()
    const log = openInParts(folder)
    append(log, 1, 6)
    log.sync()
    log.close()
    expect(partsOf(folder)).toEqual(['events.1.jsonl 1 2 3 4 5 6'])
  })

  test.each([
    ['before the next part is there', '', ''],
    ['while the next part is opened', '{"run":"r","atte', ''],
    ['before the next part is named', '{"run":"r","attempt":1,"lastSeq":6,"type":"partOpened"}\n', ''],
    ['while the next part is named', '{"run":"r","attempt":1,"lastSeq":6,"type":"partOpened"}\n', '{"run":"r","att'],
  ])('a crash %s leaves a log that goes on without a gap', (_when, opened, sealed) => {
    const folder = temporaryFolder()
    const first = openInParts(folder)
    append(first, 1, 6)
    first.close()
    if (opened !== '') writeFileSync(join(folder, 'events.1.2.jsonl'), opened)
    appendFileSync(join(folder, 'events.1.jsonl'), sealed)
    const second = openInParts(folder)
    append(second, 7, 8)
    second.close()
    expect(partsOf(folder)).toEqual(['events.1.2.jsonl partOpened@6 7 8', 'events.1.jsonl 1 2 3 4 5 6 partSealed@6'])
  })

  test('goes on in the part it has while the disk is too full for another', (context) => {
    skipWithoutSmallDisk(context)
    const [command, ...loader] = entryCommand(new URL('./fixtures/fill-disk.ts', import.meta.url))
    const text = onSmallDisk({
      mebibytes: 1,
      command: `${[command, ...loader, smallDisk, '32768'].join(' ')} >&2; cat $(ls -v ${smallDisk}/events.1.*.jsonl)`,
    })
    const records = text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { type: string; seq?: number })
    const seqs = records.flatMap(({ seq }) => seq ?? [])
    expect(records.at(-1)).toMatchObject({ type: 'failed', code: 'DISK_FULL' })
    expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index))
    expect(records.filter(({ type }) => type === 'partSealed').length).toBeGreaterThan(10)
  })
})

describe('a full disk', () => {
  test('the reserve takes room and gives it back once', () => {
    const folder = temporaryFolder()
    const reserve = reserveDisk(join(folder, 'reserve.1'))
    expect(readFileSync(join(folder, 'reserve.1'))).toHaveLength(256 * 1024)
    expect(reserve.release()).toBe(true)
    expect(existsSync(join(folder, 'reserve.1'))).toBe(false)
    expect(reserve.release()).toBe(false)
  })

  test('the reserve lends all but the room for the last words, and takes it back', () => {
    const file = join(temporaryFolder(), 'reserve.1')
    const size = (): number => readFileSync(file).length
    const reserve = reserveDisk(file, 128 * 1024)
    expect(size()).toBe(384 * 1024)
    expect([reserve.lend(), size(), reserve.lend(), size(), reserve.lend()]).toEqual([
      ...[true, 320 * 1024],
      ...[true, 256 * 1024],
      false,
    ])
    reserve.restore()
    expect(size()).toBe(384 * 1024)
    expect([reserve.release(), reserve.lend(), existsSync(file)]).toEqual([true, false, false])
    reserve.restore()
    expect(existsSync(file)).toBe(false)
  })

  test('lets the log go on with what is lent: no torn line, no gap, and the last words after it', (context) => {
    skipWithoutSmallDisk(context)
    const [command, ...loader] = entryCommand(new URL('./fixtures/fill-disk.ts', import.meta.url))
    const text = onSmallDisk({
      mebibytes: 1,
      command: `${[command, ...loader, smallDisk].join(' ')}; cat ${smallDisk}/events.1.jsonl`,
    })
    const [fullAt, ...lines] = text.split('\n')
    expect(text.endsWith('\n')).toBe(true)
    const events = lines.slice(0, -1).map((line) => parseTrainerEvent(JSON.parse(line)))
    // 1 MiB less the reserve, and then the 128 KiB that were lent, in lines of about 168 bytes.
    expect(Number(fullAt)).toBeGreaterThan(3000)
    expect(events.length - Number(fullAt)).toBeGreaterThan(700)
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1))
    expect(events.at(-1)).toMatchObject({ type: 'failed', code: 'DISK_FULL' })
    expect(events.slice(0, -1).every(({ type }) => type === 'step')).toBe(true)
  })
})
