// `trainql db`: what a line plans, and the command as a process over a data directory.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { renderRebuild } from '../../src/cli/db/results.ts'
import { parse } from '../../src/cli/parse.ts'
import { createScreen } from '../../src/cli/terminal/screen.ts'
import { lockHome } from '../../src/server/database/home-lock.ts'
import { entryCommand } from '../../src/shared/entry.ts'
import type { RebuildResult } from '../../src/shared/rebuild-process.ts'
import { makeFolder, removeFolder } from '../server/server.ts'
import { deeds, writeRun } from '../server/written-run.ts'

const { queued, leased, started, step, checkpoint, finished, released } = deeds
const [command, ...entry] = entryCommand(new URL('../../src/cli/main.ts', import.meta.url))

let home: string

beforeAll(async () => {
  home = await makeFolder()
})
afterAll(async () => {
  await removeFolder(home)
})

function trainql(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(command, [...entry, ...args], { encoding: 'utf8', timeout: 60_000 })
  return { status, stdout, stderr }
}

test('what each line plans', () => {
  const plan = { command: 'db', action: 'rebuild', check: false, limit: 20, json: false }
  expect(parse(['db', 'rebuild'])).toEqual(plan)
  expect(parse(['db', 'rebuild', '--check', '--limit', '3', '--json'])).toEqual({
    ...plan,
    ...{ check: true, limit: 3, json: true },
  })
  expect(parse(['db', 'rebuild', '--home', '/data'])).toEqual({ ...plan, home: '/data' })
  expect(parse(['db'])).toEqual({ command: 'help', topic: 'db' })
  expect(parse(['db', 'rebuild', '--help'])).toEqual({ command: 'help', topic: 'db rebuild' })
  expect(() => parse(['db', 'rebild'])).toThrow('There is no command "db rebild".')
  expect(() => parse(['db', 'rebuild', 'now'])).toThrow('"now" is one argument too many.')
})

test('a database is made anew and checked, and refused while somebody else has it', async () => {
  const run = writeRun(home)
  run.write(queued, leased('cpu:0'), started, step(1), step(2), checkpoint(1, 2), finished)
  run.write(released('cpu:0'), { type: 'succeeded' })

  const made = trainql('db', 'rebuild', '--home', home)
  expect(made).toMatchObject({ status: 0, stderr: '' })
  expect(made.stdout.replace(/ in .* events\/s/, '')).toBe(
    'Rebuilt 1 run:\n  9 events, of them 2 steps; 1 checkpoint\n',
  )
  const checked = trainql('db', 'rebuild', '--check', '--json', '--home', home)
  expect(checked).toMatchObject({ status: 0, stderr: '' })
  expect(JSON.parse(checked.stdout)).toEqual({
    ...{ kind: 'CHECKED', home, counts: { runs: 1, events: 9, steps: 2, checkpoints: 1 } },
    ...{ seconds: expect.any(Number) as number, eventsPerSecond: expect.any(Number) as number },
    ...{ refused: [], gone: [], differing: [], first: [], behind: [] },
  })

  const lock = await lockHome(home)
  const refused = trainql('db', 'rebuild', '--home', home)
  await lock.release()
  expect(refused).toMatchObject({ status: 1, stdout: '' })
  expect(refused.stderr).toContain(`error: The data directory ${home} is in use by the server with process id`)
  expect(refused.stderr).toContain('  fix: Stop that server')
})

test('a folder that is no data directory is told of, with code 1', () => {
  const missing = join(home, 'no-such')
  expect(trainql('db', 'rebuild', '--home', missing)).toEqual({
    status: 1,
    stdout: '',
    stderr: `error: Expected a data directory with run directories in ${join(missing, 'runs')}; there is no folder ${missing}.\n  fix: Name the data directory with --home, or set TRAINQL_HOME.\n`,
  })
})

test('what differs is told in words, and what could not be read', () => {
  const { style } = createScreen({ write: () => undefined }, {})
  const row = { table: 'Run', key: 'id=a', column: null, stored: null, rebuilt: null }
  const result: RebuildResult = {
    ...{ kind: 'CHECKED', home, counts: { runs: 1200, events: 3_400_000, steps: 3_000_000, checkpoints: 2 } },
    ...{ seconds: 65, eventsPerSecond: 52_307, gone: ['b'], behind: ['c'] },
    refused: [{ run: 'd', code: 'RUN_DIRECTORY_INVALID', message: 'It is torn.', fix: 'Mend it.', kept: 'STORED' }],
    differing: [
      { table: 'Run', count: 2 },
      { table: 'StepMetrics', count: 1000 },
    ],
    first: [
      { ...row, kind: 'MISSING' },
      { ...row, kind: 'EXTRA' },
      { ...row, kind: 'OTHER', column: 'loss', stored: '1', rebuilt: '2' },
    ],
  }
  expect(renderRebuild(result, style)).toEqual([
    'Read 1,200 runs in 1 m 05 s, 52,307 events/s:',
    '  3,400,000 events, of them 3,000,000 steps; 2 checkpoints',
    '',
    '1 run without its directory would be dropped:',
    '  b',
    '',
    'not whole  d: what was stored of it is kept',
    '  It is torn.',
    '  fix: Mend it.',
    '',
    '1 run went on since the server stopped: its next start takes that over.',
    'Different: 1,002 rows. Nothing was changed.',
    '  Run               2',
    '  StepMetrics   1,000',
    '',
    'Run id=a: is not stored',
    'Run id=a: is stored, and not in the directories',
    'Run id=a: loss is 1, and should be 2',
    '',
    'To make the rows anew: trainql db rebuild',
  ])
})
