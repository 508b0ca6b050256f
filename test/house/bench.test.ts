// The bench harness: what it refuses, what voids a row, and that no figure stands in for a missing peer.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { BenchError, type Row } from '../../bench/bench.ts'
import { allowedCores } from '../../bench/machine.ts'
import { table } from '../../bench/report.ts'
import { measureRounds, median, spread } from '../../bench/rounds.ts'
import { startWorker, type Worker } from '../../bench/worker.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const started: Worker<unknown>[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((worker) => worker.close()))
})

test.each([
  { args: [], says: 'Expected one of the benches train, tune.' },
  { args: ['nonesuch'], says: 'Expected one of the benches train, tune.' },
  { args: ['train', '--rows', 'nonesuch'], says: 'No row of train matches "nonesuch".' },
  { args: ['train', '--rows', '('], says: '"(" is not a regular expression' },
  { args: ['train', '--rounds', '0'], says: 'Expected a whole number of rounds; got "0".' },
  { args: ['train', '--fast'], says: "Unknown option '--fast'" },
])('refuses $args', async ({ args, says }) => {
  const { code, stdout, stderr } = await bench(args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(says)
})

test('a missing peer fails with how to install it, and gives no figure', async () => {
  const { code, stdout, stderr } = await bench(['train', '--rows', 'b128-fp32$', '--json'], {
    TRAINQL_PYTHON: '/bin/false',
  })
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain('PyTorch is the peer of this row')
  expect(stderr).toContain('-m pip install torch torchvision')
})

test('lists its rows', async () => {
  const { code, stdout } = await bench(['--list'])
  expect(code).toBe(0)
  expect(stdout).toContain('  resnet18-28x28x1-b128-fp32\n')
  expect(stdout).toContain('  resnet50-224x224x3-b8-fp32-shards4\n')
  expect(stdout).toContain('  scaling-2x1core\n')
})

test('each side trains the same steps in each round, and who begins alternates', async () => {
  const order: string[] = []
  const [slow, fast] = [await worker('slow', { seconds: 0.4 }), await worker('fast', { seconds: 0.1 })]
  const watched = [slow, fast].map((side) => ({
    ...side,
    ask: <T extends z.ZodType>(request: unknown, answer: T) => {
      order.push(`${side.name} ${(request as { steps: number }).steps}`)
      return side.ask(request, answer)
    },
  }))
  const rounds = await measureRounds(watched, { rounds: 3, cores: allowedCores(), onRound: () => undefined })
  expect(rounds).toMatchObject({ secondsPerStep: [Array(3).fill(0.4), Array(3).fill(0.1)], stepsPerTurn: 3 })
  expect(rounds.losses).toEqual([1, 1])
  const warmUp = ['slow 3', 'fast 3']
  expect(order).toEqual([...warmUp, 'slow 3', 'fast 3', 'fast 3', 'slow 3', 'slow 3', 'fast 3'])
})

test('a loss that is no finite number voids the row', async () => {
  const diverged = await worker('diverged', { seconds: 0.1, loss: 1e999 })
  const measuring = measureRounds([diverged], { rounds: 1, cores: allowedCores(), onRound: () => undefined })
  await expect(measuring).rejects.toThrow(new BenchError('The loss of diverged is no finite number: the row is void.'))
})

test('a worker that ends before it is ready is an error with its last words', async () => {
  const command = {
    name: 'Peer',
    command: process.execPath,
    args: ['-e', 'console.error("no memory"); process.exit(9)'],
  }
  const starting = startWorker({ ...command, readyWithinMs: 60_000 }, z.unknown())
  await expect(starting).rejects.toThrow(new BenchError('Peer ended with status 9.\nno memory'))
})

test('a worker that is not ready in time is ended', async () => {
  const command = { name: 'Peer', command: process.execPath, args: ['-e', 'setInterval(() => {}, 1000)'] }
  const starting = startWorker({ ...command, readyWithinMs: 50 }, z.unknown())
  await expect(starting).rejects.toThrow(new BenchError('Peer ended with SIGKILL.'))
})

test('a program that does not exist is an error', async () => {
  const starting = startWorker({ name: 'Peer', command: '/nonesuch', args: [], readyWithinMs: 60_000 }, z.unknown())
  await expect(starting).rejects.toThrow('ENOENT')
})

test('medians and spreads', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(spread([1, 2, 3, 4, 5])).toBe((4 - 2) / 2 / 3)
  expect(() => median([])).toThrow(RangeError)
})

test('the table leaves out what a row has not', () => {
  const row = { unit: 'images/s', ours: 2000, peer: 1000, ratio: 2, value: null }
  const rows: Row[] = [
    { ...row, name: 'a', detail: { oursPeakBytes: 400 * 1024 ** 2, peerPeakBytes: 1000 * 1024 ** 2 } },
    { name: 'scaling', unit: 'x', ours: null, peer: null, ratio: null, value: 1.9, detail: {} },
  ]
  expect(table(rows).split('\n')).toEqual([
    'row       ours   peer      unit  ratio   memory  peer memory',
    'a        2,000  1,000  images/s  2.00x  400 MiB     1000 MiB',
    'scaling  1.900                x',
  ])
})

/** A side that claims the same time for each step. */
async function worker(
  name: string,
  { seconds, loss = 1 }: { seconds: number; loss?: number },
): Promise<Worker<unknown>> {
  const script = `
    console.log('{"ready": true}')
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { steps } = JSON.parse(line)
      console.log(JSON.stringify({ seconds: Array(steps).fill(${seconds}), loss: ${loss} }))
    })`
  const command = { name, command: process.execPath, args: ['-e', script], readyWithinMs: 60_000 }
  const side = await startWorker(command, z.unknown())
  started.push(side)
  return side
}

async function bench(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...output }
}
