// An embedded database that does not open: the start tells of it, gives it up in time, says what to do, and leaves nothing.
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { wholeMarker } from '../../src/server/database/database-template.ts'
import { startPglite } from '../../src/server/database/pglite.ts'
import { putTemplate } from '../../src/server/database/session.ts'
import { silentLog } from '../../src/server/log.ts'
import { makeFolder, recordingLog, removeFolder, startTestServer } from './server.ts'

let home: string
let folder: string

beforeEach(async () => {
  home = await makeFolder()
  folder = join(home, 'db')
})
afterEach(() => removeFolder(home))

test('one that hangs is told of, and ended at the limit', async () => {
  const log = recordingLog()
  const entry = new URL('./fixtures/stuck-database.ts', import.meta.url)
  await expect(startPglite(folder, { log, openSeconds: 0.2, entry })).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: `Expected the embedded database in ${folder} to open; got: it did not open within 0.2 s.`,
    fix: `Set TRAINQL_DATABASE_OPEN_SECONDS higher where the machine is slow. A database that is damaged is made anew from the run directories: move ${folder} away and start again.`,
  })
  expect(log.lines).toEqual([`The embedded database in ${folder} is not open after 0.1 s; it is given up after 0.2 s.`])
})

test('one that is open is not ended at the limit any more', async () => {
  await putTemplate(folder, { log: silentLog })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const pglite = await startPglite(folder, { log: silentLog })
    expect(vi.getTimerCount()).toBe(0)
    await pglite.close()
  } finally {
    vi.useRealTimers()
  }
})

test('one that is damaged ends the start, which holds nothing any more', async () => {
  await mkdir(folder)
  writeFileSync(join(folder, wholeMarker), '')
  writeFileSync(join(folder, 'PG_VERSION'), '9.1\n')
  await expect(startTestServer(home)).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringContaining(`Expected the embedded database in ${folder} to open; got: PGlite`) as string,
    fix: expect.stringContaining(`move ${folder} away and start again`) as string,
  })
  expect(readdirSync(home)).toEqual(['db'])
  expect(existsSync(join(folder, 'PG_VERSION'))).toBe(true)
})
