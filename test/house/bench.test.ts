// The bench harness: what it refuses, what voids a row, and that no figure stands in for a missing peer.
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { BenchError, rowsOrReason, type Row } from '../../bench/bench.ts'
import { allowedCores } from '../../bench/machine.ts'
import { markdown } from '../../bench/markdown.ts'
import { footnotes, table } from '../../bench/report.ts'
import { measureRounds, median, spread, stepsOfTurn } from '../../bench/rounds.ts'
import { startWorker, type Worker } from '../../bench/worker.ts'
import { bench } from './bench-command.ts'

const started: Worker<unknown>[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map((worker) => worker.close()))
})

test.each([
  {
    args: [],
    says: 'Expected one of the benches train, profile, accuracy, input, checkpoint, fanout, queue, queries, fuzz, chaos, tune.',
  },
  {
    args: ['nonesuch'],
    says: 'Expected one of the benches train, profile, accuracy, input, checkpoint, fanout, queue, queries, fuzz, chaos, tune.',
  },
  { args: ['train', '--rows', 'nonesuch'], says: 'No row of train matches "nonesuch".' },
  { args: ['train', '--rows', '('], says: '"(" is not a regular expression' },
  { args: ['train', '--rounds', '0'], says: 'Expected a whole number of rounds; got "0".' },
  { args: ['train', '--seed', '2'], says: 'train has no option --seed.' },
  { args: ['chaos', '--only', 'rain'], says: 'Expected kinds of faults, of server-kills, trainer-kills' },
  { args: ['queries', '--runs', '0'], says: 'Expected a whole number for --runs; got "0".' },
  { args: ['chaos', '--faults', '0'], says: 'Expected a whole number for --faults; got "0".' },
  { args: ['train', '--fast'], says: "Unknown option '--fast'" },
  { args: ['--from', 'package.json'], says: 'package.json: expected a result that --out wrote' },
])('refuses $args', async ({ args, says }) => {
  const { code, stdout, stderr } = await bench(args)
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain(says)
})

test.each(['train', 'profile'])(
  '%s: a missing peer fails with how to install it, and gives no figure',
  async (name) => {
    const { code, stdout, stderr } = await bench([name, '--rows', 'b128-fp32$', '--json'], {
      TRAINQL_PYTHON: '/bin/false',
    })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('PyTorch is the peer of this row')
    expect(stderr).toContain('-m pip install torch torchvision')
  },
)

const queryRows = [
  ...['fillSeconds', 'startSeconds', 'list-first-page', 'list-states', 'list-name', 'list-name-rare'],
  ...['list-architecture', 'list-dataset', 'list-device', 'list-created', 'list-forked-from', 'list-combined'],
  ...['list-deep-page', 'list-total', 'run-page', 'epochs', 'checkpoints', 'chart-longest-500', 'chart-longest-1000'],
  ...['chart-longest-zoom', 'chart-small-1000', 'charts-of-a-page'],
]

test('lists its rows', async () => {
  const { code, stdout } = await bench(['--list'])
  expect(code).toBe(0)
  const shapes = ['18-28x28x1-b128', '18-28x28x1-b256', '18-32x32x3-b128', '18-224x224x3-b16', '50-224x224x3-b8']
  const besidePeer = ['fp32', 'bf16', 'fp32-shards4'].flatMap((kind) => shapes.map((shape) => `resnet${shape}-${kind}`))
  const rows = stdout.split('\n').filter((line) => line.startsWith('  '))
  // Behind them stand the convolutions that tune times, whose names follow from these.
  expect(rows.filter((line) => !line.startsWith('  3x3'))).toEqual(
    [
      ...besidePeer,
      ...['scaling-2x1core', 'scaling-2x1core-b256'],
      ...['busy-neighbour', 'epoch-fashion-mnist', 'epoch-fashion-mnist-augmented'],
      ...besidePeer,
      'fashion-mnist-3-epochs-bf16',
      ...['decode-augment-224-cold', 'decode-augment-224-cache', 'idle-share-28x28x1', 'idle-share-224x224x3'],
      ...['load-resnet152', 'save-resnet152', 'load-resnet152-folder', 'save-resnet152-folder'],
      ...['p99Ms-1run', 'p99Ms-20runs', 'subscribers', 'lostEvents'],
      'planMs-1000x64',
      ...['embedded', 'postgres'].flatMap((kind) => queryRows.map((name) => `${kind}-${name}`)),
      'mutated-files',
      ...['faults', 'serverKills', 'eventsEqualLog', 'lostEvents', 'doubledEvents', 'leakedDevices', 'leakedProcesses'],
      ...['unfinishedRuns', 'damagedCheckpoints', 'notBitEqual', 'serverFailures'],
    ].map((name) => `  ${name}`),
  )
})

test('each side trains the same steps in each round, and who begins alternates', async () => {
  const order: string[] = []
  const [slow, fast] = [await worker('slow', { seconds: 0.5 }), await worker('fast', { seconds: 0.125 })]
  const watched = [slow, fast].map((side) => ({
    ...side,
    ask: <T extends z.ZodType>(request: unknown, answer: T) => {
      order.push(`${side.name} ${(request as { steps: number }).steps}`)
      return side.ask(request, answer)
    },
  }))
  const rounds = await measureRounds(watched, { rounds: 3, cores: allowedCores(), onRound: () => undefined })
  expect(rounds).toMatchObject({ secondsPerStep: [Array(3).fill(0.5), Array(3).fill(0.125)], stepsPerTurn: 3 })
  expect(rounds.losses).toEqual([1, 1])
  const warmUp = ['slow 3', 'fast 3']
  expect(order).toEqual([...warmUp, 'slow 3', 'fast 3', 'fast 3', 'slow 3', 'slow 3', 'fast 3'])
})

test('a turn is about a second, in whole periods where they are not too long', () => {
  const steps = (period: number) => [0.001, 0.03, 0.09, 0.3, 0.4, 2].map((seconds) => stepsOfTurn(seconds, { period }))
  expect(steps(1)).toEqual([32, 32, 12, 4, 3, 3])
  expect(steps(16)).toEqual([32, 32, 16, 16, 3, 3])
})

test('a turn is longer where that is asked for', () => {
  const steps = [0.001, 0.09, 0.17, 0.4].map((seconds) => stepsOfTurn(seconds, { period: 16, turnSeconds: 4 }))
  expect(steps).toEqual([128, 48, 32, 10])
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

test('a worker that does not answer in time is ended', async () => {
  const command = { name: 'Peer', command: process.execPath, args: ['-e', 'console.log("{}"); process.stdin.resume()'] }
  const side = await startWorker({ ...command, readyWithinMs: 60_000 }, z.unknown())
  started.push(side)
  const asking = side.ask({ steps: 1 }, z.unknown(), { withinMs: 50 })
  await expect(asking).rejects.toThrow(new BenchError('Peer ended with SIGKILL.'))
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

test('what a row has not is left out, in text and in Markdown', () => {
  const figures = { unit: 'images/s', ours: 2000, peer: 1000, ratio: 2, value: null, bar: 2.4 }
  const memory = { oursPeakBytes: 400 * 1024 ** 2, peerPeakBytes: 1000 * 1024 ** 2, memoryShare: 0.4 }
  const shares = { oursShareOfPeak: 0.51, peerShareOfPeak: 0.25, peerSettings: 'fp32, eager' }
  const value = { unit: 'x', ours: null, peer: null, ratio: null, value: 1.9, bar: null }
  const rows: Row[] = [
    { ...figures, name: 'a', status: 'measured', detail: { ...memory, ...shares } },
    { name: 'b', status: 'skipped', reason: 'no bf16' },
    { ...value, name: 'scaling', status: 'measured', detail: { updateShare: 0.031 } },
  ]
  expect(table(rows).split('\n')).toEqual([
    'row       ours   peer      unit  ratio  at least   memory  peer memory',
    'a        2,000  1,000  images/s  2.00x       2.4  400 MiB     1000 MiB',
    'b                       skipped',
    'scaling  1.900                x',
  ])
  expect(footnotes(rows).split('\n')[1]).toBe('b: skipped: no bf16')
  const machine = { cpu: 'CPU', cores: 2, memoryBytes: 8 * 1024 ** 3, isa: ['avx2'], os: 'OS', node: '20' }
  expect(markdown({ bench: 'train', date: 'today', machine, rows }).split('\n')).toEqual([
    'train, today  ',
    'CPU, 2 cores, 8 GiB, avx2; OS; Node 20',
    '',
    '| row |  ours | PyTorch |     unit | ratio | asked | share of peak |        peak memory | of theirs |',
    '| --- | ----: | ------: | -------: | ----: | ----: | ------------: | -----------------: | --------: |',
    '| `a` | 2,000 |   1,000 | images/s | 2.00x |   2.4 |   51 % / 25 % | 400 MiB / 1000 MiB |      40 % |',
    '',
    '| row       | value | unit | asked |',
    '| --------- | ----: | ---: | ----: |',
    '| `scaling` | 1.900 |    x |       |',
    '',
    '- `a`: PyTorch: fp32, eager',
    '- `b`: skipped: no bf16',
    '- `scaling`: all-reduce and update 3 %',
  ])
})

test('an expected failure becomes a row without a figure; any other error stays one', async () => {
  const failing = (error: Error) => rowsOrReason(['a', 'b'], () => Promise.reject(error))
  expect(await failing(new BenchError('no data'))).toEqual([
    { name: 'a', status: 'failed', reason: 'no data' },
    { name: 'b', status: 'failed', reason: 'no data' },
  ])
  await expect(failing(new RangeError('a bug'))).rejects.toThrow(RangeError)
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
