// What a storm does about a server that does not do as it should: it is missed, replaced, and looked into before.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { diagnosable, diagnose } from '../../bench/chaos/diagnosis.ts'
import type { StormServer } from '../../bench/chaos/server.ts'
import { keepServer } from '../../bench/chaos/server-keeper.ts'

const folder = mkdtempSync(join(tmpdir(), 'trainql-storm-server-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('of a process that waits for ever there is its log, where its threads are, its report and its heap', async () => {
  const logFile = join(folder, 'server.log')
  writeFileSync(logFile, 'the last line of its start\n')
  const program = `
    async function recoverThatNeverEnds() { await new Promise(() => undefined) }
    void recoverThatNeverEnds()
    setInterval(() => undefined, 1e6)
    process.stdout.write('up')`
  const child = spawn(process.execPath, [...diagnosable(folder), '-e', program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  try {
    await once(child.stdout, 'data')
    const kept = await diagnose({ pid: child.pid ?? 0, folder, logFile })
    expect(kept).toBe(join(folder, `silent-${child.pid}`))
    expect(readFileSync(join(kept, 'server.log'), 'utf8')).toBe('the last line of its start\n')
    expect(readFileSync(join(kept, 'threads.txt'), 'utf8')).toContain(`${child.pid} comm: node\n`)
    const files = readdirSync(folder)
    const report = files.find((name) => name.startsWith('report.')) ?? ''
    expect(JSON.parse(readFileSync(join(folder, report), 'utf8'))).toMatchObject({
      header: { processId: child.pid, trigger: 'Signal' },
    })
    const heap = files.find((name) => name.endsWith('.heapsnapshot')) ?? ''
    expect(readFileSync(join(folder, heap), 'utf8')).toContain('recoverThatNeverEnds')
  } finally {
    child.kill('SIGKILL')
  }
})

/** Each start comes to listen, or ends before. */
function scriptedServer(starts: boolean[]): StormServer {
  let pid: number | null = null
  return {
    port: 1,
    url: 'http://127.0.0.1:1',
    logFile: '',
    start() {
      pid = 1_000_000 + starts.length
      const listens = starts.shift() ?? true
      if (!listens) pid = null
      return { listening: Promise.resolve(listens) }
    },
    kill() {
      pid = null
      return Promise.resolve()
    },
    stop() {
      pid = null
      return Promise.resolve(0)
    },
    pid: () => pid,
    diagnose: () => Promise.resolve(''),
    lastWords: () => 'its last words',
  }
}

test('a server that ends by itself is told of and started again, one that is replaced or stopped is not', async () => {
  const notes: string[] = []
  const keeper = keepServer(scriptedServer([true, false, true]), (line) => notes.push(line))
  keeper.start()
  await keeper.listening()
  expect(keeper.isListening()).toBe(true)
  expect(keeper.failures()).toEqual([])
  await keeper.replace()
  await keeper.listening()
  expect(keeper.isListening()).toBe(true)
  expect(keeper.failures()).toEqual(['the server ended by itself: its last words'])
  expect(notes).toEqual(['  ! the server ended by itself: its last words'])
  expect(await keeper.stop()).toBe(0)
  expect(keeper.isListening()).toBe(false)
  await keeper.close()
  expect(keeper.failures()).toHaveLength(1)
})
