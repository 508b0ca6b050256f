// The template of the embedded database: made once, whole or not at all, and copied into data directories that have none.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  copyTemplate,
  templateKey,
  templatesFolder,
  type TemplateSource,
  wholeMarker,
} from '../../src/server/database/database-template.ts'
import { openDatabase } from '../../src/server/database/database.ts'
import { readMigrations } from '../../src/server/database/migrate.ts'
import { silentLog } from '../../src/server/log.ts'
import { makeFolder, removeFolder } from './server.ts'

let home: string
let made: string[]

beforeEach(async () => {
  home = await makeFolder()
  made = []
})
afterEach(() => removeFolder(home))

const templates = (): string => join(home, 'templates')

function source(key: string): TemplateSource {
  return {
    folder: templates(),
    key,
    async makeDatabase(folder) {
      made.push(folder)
      mkdirSync(join(folder, 'base', '5'), { recursive: true })
      writeFileSync(join(folder, 'base', '5', 'rows'), key)
      writeFileSync(join(folder, wholeMarker), '')
      return Promise.resolve()
    },
  }
}

const rowsIn = (folder: string): string => readFileSync(join(folder, 'base', '5', 'rows'), 'utf8')

test('it is made once, and every new folder gets a copy', async () => {
  const [first, second] = [join(home, 'first'), join(home, 'second')]
  await copyTemplate(first, source('a'))
  writeFileSync(join(first, 'base', '5', 'rows'), 'mine')
  await copyTemplate(second, source('a'))
  expect(made).toEqual([join(templates(), `a.${process.pid}`)])
  expect(readdirSync(templates())).toEqual(['a'])
  expect(readdirSync(second).sort()).toEqual(['base', wholeMarker])
  expect(rowsIn(second)).toBe('a')
})

test('a database that is there is left alone, one that a crash left half made is replaced', async () => {
  const [whole, half] = [join(home, 'whole'), join(home, 'half')]
  for (const folder of [whole, half]) {
    mkdirSync(folder)
    writeFileSync(join(folder, 'mine'), '')
  }
  writeFileSync(join(whole, wholeMarker), '')
  await copyTemplate(whole, source('a'))
  expect(readdirSync(whole).sort()).toEqual(['mine', wholeMarker])
  expect(made).toEqual([])
  await copyTemplate(half, source('a'))
  expect(readdirSync(half).sort()).toEqual(['base', wholeMarker])
})

test('one of other migrations is replaced; one that is just being made is not', async () => {
  await copyTemplate(join(home, 'old'), source('a'))
  mkdirSync(join(templates(), 'b.1'))
  await copyTemplate(join(home, 'new'), source('b'))
  expect(rowsIn(join(home, 'new'))).toBe('b')
  expect(readdirSync(templates()).sort()).toEqual(['b', 'b.1'])
})

test('where another process was faster, its template is taken', async () => {
  const slow = source('a')
  await copyTemplate(join(home, 'copy'), {
    ...slow,
    async makeDatabase(folder) {
      await slow.makeDatabase(folder)
      mkdirSync(join(templates(), 'a', 'base', '5'), { recursive: true })
      writeFileSync(join(templates(), 'a', 'base', '5', 'rows'), 'of the other')
      writeFileSync(join(templates(), 'a', wholeMarker), '')
    },
  })
  expect(rowsIn(join(home, 'copy'))).toBe('of the other')
  expect(readdirSync(templates())).toEqual(['a'])
})

test('one that cannot be made leaves nothing behind, and what failed is told', async () => {
  const failing = { ...source('a'), makeDatabase: () => Promise.reject(new Error('no such table')) }
  await expect(copyTemplate(join(home, 'copy'), failing)).rejects.toThrow('no such table')
  expect(readdirSync(templates())).toEqual([])
  expect(readdirSync(home)).toEqual(['templates'])
})

test('where templates cannot be kept there is none, and no error', async () => {
  // A file in the place of the folder: root may write where others may not.
  writeFileSync(templates(), '')
  await copyTemplate(join(home, 'copy'), source('a'))
  expect(made).toEqual([])
  expect(readdirSync(home)).toEqual(['templates'])
})

test('a key is of the migrations, each and in their order', async () => {
  const migrations = await readMigrations()
  const [first] = migrations
  const keys = [
    migrations,
    migrations.slice(1),
    [...migrations].reverse(),
    migrations.map((each) => (each === first ? { ...each, checksum: '0'.repeat(64) } : each)),
  ].map(templateKey)
  expect(new Set(keys).size).toBe(keys.length)
})

test('a server takes the one of this version', async () => {
  const database = await openDatabase({ folder: join(home, 'db'), url: null, log: silentLog })
  await database.close()
  const key = templateKey(await readMigrations())
  expect(readdirSync(templatesFolder)).toContain(key)
  // Its one database, and nothing to make others after.
  expect(readdirSync(join(templatesFolder, key, 'base'))).toEqual(['5'])
  expect(readdirSync(join(home, 'db', 'base'))).toEqual(['5'])
})
