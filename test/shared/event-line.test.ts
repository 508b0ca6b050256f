// The checksum of a log's lines: JSON to every reader, and any change of a byte is told.
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventLine, findLineDamage } from '../../src/shared/event-line.ts'

const record = { run: 'r', attempt: 1, seq: 7, loss: null, text: 'Zürich 🎲 \n","crc":"' }
/** Without its newline. */
const bytesOf = (line: string): Buffer => Buffer.from(line.slice(0, -1))

test('a line is one JSON object that ends in the CRC-32 of the bytes before', () => {
  // The check value of CRC-32, by which its variants are told apart.
  expect(crc32('123456789').toString(16)).toBe('cbf43926')
  const line = eventLine(record)
  const body = JSON.stringify(record).slice(0, -1)
  const crc = crc32(Buffer.from(body)).toString(16).padStart(8, '0')
  expect(line).toBe(`${body},"crc":"${crc}"}\n`)
  expect(JSON.parse(line)).toEqual({ ...record, crc })
  expect(findLineDamage(bytesOf(line))).toBeNull()
})

test('a checksum that begins with zeros keeps its eight digits', () => {
  const small = Array.from({ length: 1000 }, (_, seq) => eventLine({ seq })).find((line) => line.includes('"crc":"00'))
  expect(small).toMatch(/^\{"seq":\d+,"crc":"00[0-9a-f]{6}"\}\n$/)
  expect(findLineDamage(bytesOf(small ?? ''))).toBeNull()
})

test.each(['', '{}', '{"run":"r","attempt":1}', '{"crc":"0"}', '{nonsense'])('%j says nothing of itself', (text) => {
  expect(findLineDamage(Buffer.from(text))).toBeNull()
})

test('names the checksum that the line says and the one it has', () => {
  const line = eventLine(record)
  const changed = bytesOf(line.replace('"seq":7', '"seq":8'))
  const found = crc32(changed.subarray(0, changed.lastIndexOf(',"crc"')))
    .toString(16)
    .padStart(8, '0')
  expect(findLineDamage(changed)).toEqual({ expected: /"crc":"(.{8})"\}\n$/.exec(line)?.[1], found })
})

test('tells every change of up to four bytes in a row that leaves the field there', () => {
  const intact = bytesOf(eventLine(record))
  const covered = intact.length - ',"crc":"00000000"}'.length
  const change = fc.record({
    place: fc.integer({ min: 0, max: covered - 4 }),
    mask: fc.uint8Array({ minLength: 4, maxLength: 4 }).filter((mask) => mask.some((byte) => byte !== 0)),
  })
  fc.assert(
    fc.property(change, ({ place, mask }) => {
      const changed = Buffer.from(intact)
      for (const [index, byte] of mask.entries()) changed[place + index] = (changed[place + index] ?? 0) ^ byte
      expect(findLineDamage(changed)).not.toBeNull()
    }),
  )
})
