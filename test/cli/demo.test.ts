// The demo as a person runs it: a real server, a real trainer, and nothing left of either.
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { entryCommand } from '../../src/shared/entry.ts'
import { processState } from '../../src/shared/process-identity.ts'
import { parseLockRecord } from '../../src/shared/run-directory.ts'

let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'trainql-demo-'))
})
afterAll(() => rm(home, { recursive: true, force: true }))

/** Small enough for the portable engine. */
const small = ['--dataset', 'shapes', '--images', '48', '--validation-images', '16', '--batch', '16', '--port', '0']

interface Demo {
  process: ChildProcess
  output: () => { stdout: string; stderr: string }
  end: Promise<number | null>
}

function startDemo(...args: string[]): Demo {
  const [command, ...entry] = entryCommand(new URL('../../src/cli/main.ts', import.meta.url))
  const child = spawn(command, [...entry, 'demo', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TRAINQL_HOME: home },
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (output.stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (output.stderr += String(chunk)))
  return { process: child, output: () => output, end: once(child, 'close').then(([code]) => code as number | null) }
}

/** Trainers of any run so far that still live. */
async function livingTrainers(): Promise<number[]> {
  const living: number[] = []
  for (const run of await readdir(join(home, 'demo/runs'))) {
    const files = await readdir(join(home, 'demo/runs', run))
    for (const file of files.filter((name) => name.startsWith('lock.'))) {
      const lock = parseLockRecord(JSON.parse(await readFile(join(home, 'demo/runs', run, file), 'utf8')))
      if (processState(lock) === 'alive') living.push(lock.pid)
    }
  }
  return living
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    () => true,
    () => false,
  )
}

test('trains on two devices, compares with one, and leaves a checkpoint and no process', async () => {
  const demo = startDemo(...small, '--epochs', '2', '--compare', '--json')
  expect(await demo.end, demo.output().stderr).toBe(0)
  const { stdout, stderr } = demo.output()
  const summary = JSON.parse(stdout) as {
    run: { state: string; devices: string[]; epochs: unknown[]; checkpoint: { path: string; sha256: string } }
    comparison: { single: { devices: string[] }; speedUp: number; efficiency: number; bitEqual: boolean }
    urls: { graphql: string; playground: string; subscriptions: string }
  }
  expect(summary.run).toMatchObject({
    state: 'SUCCEEDED',
    devices: ['cpu:0', 'cpu:1'],
    dataset: 'shapes',
    globalBatch: 16,
  })
  expect(summary.run.epochs).toHaveLength(2)
  expect(summary.comparison.single.devices).toHaveLength(1)
  expect(summary.comparison.bitEqual).toBe(true)
  expect(summary.comparison.efficiency).toBeCloseTo(summary.comparison.speedUp / 2)
  const weights = await readFile(join(summary.run.checkpoint.path, 'model.safetensors'))
  expect(createHash('sha256').update(weights).digest('hex')).toBe(summary.run.checkpoint.sha256)

  expect(stderr).toMatch(/^engine: (native|tfjs) \(.+\)$/m)
  expect(stderr.match(/^ {4}[12] +\d+\.\d{4} +\d+\.\d{4} +\d+\.\d\d %/gm)).toHaveLength(4)
  expect(stderr).toContain(summary.urls.playground)
  expect(stderr).toContain('The weights are bit-equal.')
  expect(stderr).not.toContain('\x1b')
  expect(stderr).not.toContain('Warning')
  expect(await answers(summary.urls.playground)).toBe(false)
  expect(await livingTrainers()).toEqual([])
})

test('a Ctrl-C while it trains cancels the run and leaves no process', async () => {
  const demo = startDemo(...small, '--epochs', '1000', '--devices', '1')
  await vi.waitFor(() => expect(demo.output().stdout).toContain('epoch  train loss'), { timeout: 90_000 })
  const playground = /http:\/\/\S+\/playground/.exec(demo.output().stdout)?.[0] ?? ''
  expect(await answers(playground)).toBe(true)
  expect(await livingTrainers()).toHaveLength(1)
  demo.process.kill('SIGINT')
  expect(await demo.end).toBe(130)
  expect(demo.output().stdout).toContain('Stopped: nothing is left running.')
  expect(await answers(playground)).toBe(false)
  expect(await livingTrainers()).toEqual([])
})

test('a demo that is killed takes its server and its trainer along', async () => {
  const demo = startDemo(...small, '--epochs', '1000', '--devices', '1')
  await vi.waitFor(() => expect(demo.output().stdout).toContain('epoch  train loss'), { timeout: 90_000 })
  const playground = /http:\/\/\S+\/playground/.exec(demo.output().stdout)?.[0] ?? ''
  demo.process.kill('SIGKILL')
  await demo.end
  await vi.waitFor(async () => expect([await answers(playground), await livingTrainers()]).toEqual([false, []]), {
    timeout: 60_000,
  })
})

test('takes another port where its own is taken, and --keep leaves the server up until it is asked to stop', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  try {
    const { port } = other.address() as AddressInfo
    const demo = startDemo(...small.slice(0, -1), String(port), '--epochs', '1', '--devices', '1', '--keep')
    await vi.waitFor(() => expect(demo.output().stdout).toContain('The server stays up'), { timeout: 90_000 })
    expect(demo.output().stdout).toContain(`Port ${port} is taken; using `)
    const playground = /http:\/\/\S+\/playground/.exec(demo.output().stdout)?.[0] ?? ''
    expect(await answers(playground)).toBe(true)
    demo.process.kill('SIGTERM')
    // It had done what it was asked for.
    expect(await demo.end).toBe(0)
    expect(await answers(playground)).toBe(false)
  } finally {
    other.close()
  }
})
