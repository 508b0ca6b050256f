// The committed schema is the emitted one; settings and machine are read as documented.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { readConfig } from '../../src/server/config.ts'
import { cpuPartitions, parseCoreList } from '../../src/server/devices/discovery.ts'
import { createSortableId, findSortableIdTime } from '../../src/shared/sortable-id.ts'
import { createSchema, printSortedSchema } from '../../src/server/schema.ts'
import { BigIntScalar } from '../../src/server/scalars.ts'

test('schema.graphql is what the code emits', () => {
  const committed = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')
  expect(printSortedSchema(createSchema())).toBe(committed)
})

test.each([
  ['9223372036854775807', 2n ** 63n - 1n],
  [-5, -5n],
])('BigInt reads %s', (input, value) => {
  expect(BigIntScalar.parseValue(input)).toBe(value)
  expect(BigIntScalar.serialize(value)).toBe(String(input))
})

test.each(['9223372036854775808', '1.5', 1.5, 2 ** 53, '', 'x', null, true])('BigInt refuses %j', (input) => {
  expect(() => BigIntScalar.parseValue(input)).toThrow(TypeError)
})

test.each([
  ['0-1', [0, 1]],
  ['2,4-6,9', [2, 4, 5, 6, 9]],
])('cores %s', (list, cores) => {
  expect(parseCoreList(list)).toEqual(cores)
})

test.each([
  [[0, 1], 2, [[0], [1]]],
  [
    [0, 1, 2, 3],
    2,
    [
      [0, 1],
      [2, 3],
    ],
  ],
  [[1, 3, 5], 2, [[1], [3, 5]]],
  [[0, 1], 4, [[0], [1], [0], [1]]],
])('cores %j in %i partitions', (cores, count, expected) => {
  const partitions = cpuPartitions(cores, count)
  expect(partitions.map((partition) => partition.cores)).toEqual(expected)
  expect(partitions.map(({ name }) => name)).toEqual(expected.map((_, index) => `cpu:${index}`))
})

test('run ids tell their time and sort by it', () => {
  const at = new Date('2025-06-07T08:09:10.123Z')
  const id = createSortableId(at)
  expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{26}$/)
  expect(findSortableIdTime(id)).toEqual(at)
  expect(id < createSortableId(new Date(at.getTime() + 1))).toBe(true)
  expect(findSortableIdTime('nonsense')).toBeNull()
})

test('settings come from the environment; empty is not set', () => {
  expect(readConfig({ TRAINQL_DATA: '', PORT: '' })).toMatchObject({
    dataRoots: [],
    host: '127.0.0.1',
    port: 4000,
    cpuDevices: null,
    databaseUrl: null,
    trainersOnExit: 'LEAVE',
    cacheFolder: resolve('.trainql/cache'),
  })
  expect(
    readConfig({ TRAINQL_DATA: '/a:/b', PORT: '1', TRAINQL_PORT: '2', TRAINQL_CPU_DEVICES: '8', TRAINQL_HOME: '/h' }),
  ).toMatchObject({ dataRoots: ['/a', '/b'], port: 2, cpuDevices: 8, home: '/h', cacheFolder: '/h/cache' })
  expect(readConfig({ TRAINQL_DRAIN_ON_EXIT: '1', TRAINQL_STOP_TRAINERS_ON_EXIT: '0' })).toMatchObject({
    trainersOnExit: 'DRAIN',
  })
  expect(readConfig({ TRAINQL_STOP_TRAINERS_ON_EXIT: '1' })).toMatchObject({ trainersOnExit: 'CANCEL' })
  expect(readConfig({ TRAINQL_HOME: '/h', TRAINQL_CACHE: '/c' })).toMatchObject({ home: '/h', cacheFolder: '/c' })
})

test.each([
  [{ PORT: '70000' }, 'PORT: expected a number from 0 to 65535; got "70000".'],
  [{ TRAINQL_CPU_DEVICES: '0' }, 'TRAINQL_CPU_DEVICES: expected a number from 1 to 1024; got "0".'],
  [{ TRAINQL_ISA: 'avx1024' }, 'TRAINQL_ISA: expected avx512, avx2 or portable; got "avx1024".'],
  [{ TRAINQL_PORT: 'x' }, 'TRAINQL_PORT: expected a whole number; got "x".'],
  [
    { TRAINQL_DRAIN_ON_EXIT: '1', TRAINQL_STOP_TRAINERS_ON_EXIT: '1' },
    'TRAINQL_DRAIN_ON_EXIT: expected to be unset where TRAINQL_STOP_TRAINERS_ON_EXIT is set; got "1".',
  ],
  [{ DATABASE_URL: 'mysql://u:secret@h' }, 'DATABASE_URL: expected a postgresql:// URL; got something else.'],
])('%j is a typed error', (environment, message) => {
  expect(() => readConfig(environment)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message }))
})
