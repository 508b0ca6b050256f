// Files of every number that a run measured: their exact bytes through the API, the SDK and the command line, what a run that
// goes on changes in them, and how it is told that one is not to be had.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run as runCommand } from '../../src/cli/run.ts'
import { type Client, createClient, type MetricsDownload, TrainqlNetworkError } from '../../src/sdk/index.ts'
import type { RunningServer } from '../../src/server/start.ts'
import { createUrlSigner, readSecret } from '../../src/server/transfers/signed-url.ts'
import { eventsFile } from '../../src/shared/run-directory.ts'
import {
  createRun,
  instruct,
  makeFolder,
  removeFolder,
  scriptedTrainer,
  startTestServer,
  waitForEvent,
} from './server.ts'
import { type Deed, deeds, writeRun, type WrittenRun } from './written-run.ts'

let home: string
let server: RunningServer
let client: Client
/** Two attempts, of which the second went on from step 2; paused. */
let short: WrittenRun
let long: WrittenRun
/** Waits for a device that there is not. */
let waiting: WrittenRun

const longSteps = 4_500

function step(number: number, loss: number | null): Deed {
  return {
    ...{ type: 'step', epoch: 1, step: number, loss, nonFinite: loss === null },
    ...{ learningRate: 1e-7 / 3, imagesPerSecond: 1000 / 3 },
  }
}

const start = (): Promise<RunningServer> =>
  startTestServer(home, { trainerEntry: scriptedTrainer, trainersOnExit: 'LEAVE' })

beforeAll(async () => {
  home = await makeFolder()
  const { queued, leased, started, epoch, checkpoint, released, runFailed } = deeds
  const paused = (attempt: number): Deed[] => [
    { type: 'pauseRequested', reason: 'USER' },
    released('cpu:0', attempt),
    { type: 'paused', reason: 'USER', checkpoint: null },
  ]
  short = writeRun(home)
  short.write(
    ...[queued, leased('cpu:0'), started, step(1, 0.1 + 0.2), step(2, null), checkpoint(1, 2)],
    ...[step(3, 1.7976931348623157e308), step(4, 5e-324), epoch(1, 4)],
    ...[released('cpu:0'), runFailed, { type: 'resumeRequested', checkpoint: '1-00000002', devices: null } as const],
    ...[leased('cpu:0', 2), started, step(3, 1e-7), epoch(1, 3), ...paused(2)],
  )
  long = writeRun(home)
  const steps = Array.from({ length: longSteps }, (_, index) => step(index + 1, 1 / (index + 3)))
  long.write(queued, leased('cpu:0'), started, ...steps, ...paused(1))
  waiting = writeRun(home)
  waiting.write(...[queued, leased('cpu:0'), started, step(1, 1), released('cpu:0'), runFailed], {
    type: 'resumeRequested',
    checkpoint: null,
    devices: { kind: 'NAMED', names: ['cpu:none'] },
  })
  server = await start()
  client = createClient({ url: server.url })
})
afterAll(async () => {
  await client.close()
  await server.close()
  await removeFolder(home)
})

/** When the events of a type were logged, in order. */
function times({ directory }: WrittenRun, type: string): string[] {
  return [1, 2].flatMap((attempt) =>
    (existsSync(eventsFile(directory, attempt)) ? readFileSync(eventsFile(directory, attempt), 'utf8') : '')
      .split('\n')
      .filter((line) => line.includes(`"type":"${type}"`))
      .map((line) => (JSON.parse(line) as { at: string }).at),
  )
}

async function read(download: MetricsDownload): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of client.readMetrics(download)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

test('steps as JSONL and as CSV, each number in all its digits, those trained anew flagged', async () => {
  const at = times(short, 'step')
  const rates = '"learningRate":3.3333333333333334e-8,"imagesPerSecond":333.3333333333333'
  const object = (place: number, [attempt, number, loss]: [number, number, string], superseded = false): string =>
    `{"attempt":${attempt},"epoch":1,"step":${number},"loss":${loss},"nonFinite":${loss === 'null'},${rates},"at":"${at[place]}","superseded":${superseded}}\n`
  const first = object(0, [1, 1, '0.30000000000000004'])
  const second = object(1, [1, 2, 'null'])
  const anew = object(4, [2, 3, '1e-7'])
  const download = await client.exportMetrics(short.id)
  expect(await read(download)).toBe(
    first + second + object(2, [1, 3, '1.7976931348623157e+308'], true) + object(3, [1, 4, '5e-324'], true) + anew,
  )
  expect(download).toMatchObject({
    fileName: `${short.id}-steps.jsonl`,
    kind: 'STEPS',
    format: 'JSONL',
    includeSuperseded: true,
    upTo: (await client.run(short.id)).lastCursor,
  })
  expect(await read(await client.exportMetrics(short.id, { includeSuperseded: false }))).toBe(first + second + anew)
  const line = '3.3333333333333334e-8,333.3333333333333'
  expect(await read(await client.exportMetrics(short.id, { format: 'CSV' }))).toBe(
    [
      'attempt,epoch,step,loss,nonFinite,learningRate,imagesPerSecond,at,superseded',
      `1,1,1,0.30000000000000004,false,${line},${at[0]},false`,
      `1,1,2,,true,${line},${at[1]},false`,
      `1,1,3,1.7976931348623157e+308,false,${line},${at[2]},true`,
      `1,1,4,5e-324,false,${line},${at[3]},true`,
      `2,1,3,1e-7,false,${line},${at[4]},false\n`,
    ].join('\n'),
  )
})

test('epochs in both formats', async () => {
  const [first, second] = times(short, 'epoch')
  expect(await read(await client.exportMetrics(short.id, { kind: 'EPOCHS', format: 'CSV' }))).toBe(
    [
      'attempt,epoch,step,trainLoss,validationLoss,accuracy,top5Accuracy,nonFinite,learningRate,imagesPerSecond,userSeconds,systemSeconds,wallSeconds,at,superseded',
      `1,1,4,0.5,0.75,0.875,1,false,0.1,100,1,0.5,2,${first},true`,
      `2,1,3,0.5,0.75,0.875,1,false,0.1,100,1,0.5,2,${second},false\n`,
    ].join('\n'),
  )
  expect(await read(await client.exportMetrics(short.id, { kind: 'EPOCHS', includeSuperseded: false }))).toBe(
    `{"attempt":2,"epoch":1,"step":3,"trainLoss":0.5,"validationLoss":0.75,"accuracy":0.875,"top5Accuracy":1,"nonFinite":false,"learningRate":0.1,"imagesPerSecond":100,"userSeconds":1,"systemSeconds":0.5,"wallSeconds":2,"at":"${second}","superseded":false}\n`,
  )
  expect(await read(await client.exportMetrics(long.id, { kind: 'EPOCHS' }))).toBe('')
})

test('a long run comes whole and in order, under the name that the header gives', async () => {
  const { url, fileName } = await client.exportMetrics(long.id, { format: 'CSV' })
  const response = await fetch(new URL(url, server.url))
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-type': 'text/csv; charset=utf-8; header=present',
    'content-disposition': `attachment; filename=${long.id}-steps.csv`,
    'accept-ranges': 'none',
  })
  expect(fileName).toBe(`${long.id}-steps.csv`)
  const rows = (await response.text()).split('\n').slice(1, -1)
  expect(rows.map((row) => row.split(',').slice(2, 4).join(' '))).toEqual(
    Array.from({ length: longSteps }, (_, index) => `${index + 1} ${1 / (index + 3)}`),
  )
  const head = await fetch(new URL(url, server.url), { method: 'HEAD' })
  expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
    200,
    'text/csv; charset=utf-8; header=present',
    '',
  ])
})

test('what a run measures later is not in a file that was asked for before', async () => {
  const run = await createRun(server.url)
  instruct(run, 'started', 'steps 2', 'epoch 1')
  await waitForEvent(server.url, run.id, 'CheckpointEvent')
  const before = await client.exportMetrics(run.id, { format: 'CSV' })
  const epochs = await client.exportMetrics(run.id, { kind: 'EPOCHS' })
  const [stepsText, epochsText] = [await read(before), await read(epochs)]
  expect(stepsText.split('\n').map((line) => line.split(',')[2])).toEqual(['step', '1', '2', undefined])
  expect(epochsText.match(/"epoch":\d/g)).toEqual(['"epoch":1'])
  instruct(run, 'steps 3', 'epoch 2', 'finish')
  await client.waitForRun(run.id)
  expect(await read(before)).toBe(stepsText)
  expect(await read(epochs)).toBe(epochsText)
  const after = await read(await client.exportMetrics(run.id, { format: 'CSV' }))
  expect(after.startsWith(stepsText)).toBe(true)
  expect(after.split('\n')).toHaveLength(1 + 5 + 1)
  expect(await read(await client.exportMetrics(run.id, { kind: 'EPOCHS' }))).toMatch(/"epoch":1.*\n.*"epoch":2.*\n$/)
})

test('a run that is not there, a URL that was changed, and one that has expired', async () => {
  await expect(client.exportMetrics('r-none')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    type: 'NotFoundFailure',
    message: 'There is no run "r-none".',
  })
  const { url } = await client.exportMetrics(short.id)
  const other = new URL(url, server.url)
  other.pathname = other.pathname.replace('steps.jsonl', 'other.jsonl')
  await expect(read({ url: other.href } as MetricsDownload)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: 'This URL was not made by this server.',
  })
  const signer = createUrlSigner(await readSecret(home), () => new Date())
  const expired = signer.sign('GET', new URL(url, server.url).pathname, new Date(0))
  await expect(read({ url: expired } as MetricsDownload)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: 'This URL has expired.',
    fix: 'Ask for another with exportMetrics.',
  })
})

test('a transfer that breaks in the middle is an error, not a shorter file', async () => {
  const breaking = createClient({
    url: server.url,
    async fetch(input, init) {
      const response = await fetch(input, init)
      if (!input.includes('/metrics/') || response.body === null) return response
      const reader = response.body.getReader()
      let chunks = 0
      const body = new ReadableStream({
        async pull(controller) {
          if (++chunks === 1) controller.enqueue((await reader.read()).value as unknown)
          else {
            await reader.cancel()
            controller.error(new Error('the line broke'))
          }
        },
      })
      return new Response(body, { status: response.status })
    },
  })
  const chunks: Uint8Array[] = []
  const reading = (async () => {
    for await (const chunk of breaking.readMetrics(await breaking.exportMetrics(long.id))) chunks.push(chunk)
  })()
  await expect(reading).rejects.toThrow(TrainqlNetworkError)
  await expect(reading).rejects.toThrow('broke: the line broke.')
  expect(chunks).toHaveLength(1)
  await breaking.close()
})

async function trainql(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' }
  const code = await runCommand(['metrics', 'export', ...args, '--server', server.url], {
    stdout: { write: (text: string) => (output.stdout += text) },
    stderr: { write: (text: string) => (output.stderr += text) },
  })
  return { code, ...output }
}

test('the command writes the file whole, or nothing', async () => {
  const file = join(home, 'steps.csv')
  const { code, stdout, stderr } = await trainql(long.id, '--out', file)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const text = readFileSync(file, 'utf8')
  expect(text).toBe(await read(await client.exportMetrics(long.id, { format: 'CSV' })))
  expect(stdout).toContain(`${file}  4,500 steps  `)
  expect(await trainql(long.id, '--out', file)).toEqual({
    code: 1,
    stdout: '',
    stderr: `error: ${file} exists already.\n  fix: Name another with --out, or add --force to replace it.\n`,
  })
  const again = await trainql(short.id, '--kind', 'epochs', '--no-superseded', '--out', file, '--force', '--json')
  expect(again.code).toBe(0)
  expect(JSON.parse(again.stdout)).toEqual({ file, bytes: readFileSync(file).length, rows: 1 })
  expect(readFileSync(file, 'utf8').split('\n')[1]).toMatch(/^2,1,3,/)

  const none = join(home, 'none.jsonl')
  expect(await trainql('r-none', '--out', none)).toMatchObject({
    code: 1,
    stderr: 'error: There is no run "r-none".\n  fix: Take the id from `createRun` or from the query `runs`.\n',
  })
  writeFileSync(join(home, 'a-file'), '')
  expect((await trainql(short.id, '--out', join(home, 'a-file', 'x.csv'))).stderr).toMatch(
    /^error: .*x\.csv\.part cannot be written: ENOTDIR/,
  )
  expect(readdirSync(home).filter((name) => name.startsWith('none') || name.endsWith('.part'))).toEqual([])
})

test('the command prints to standard output alone where it is asked to', async () => {
  const { code, stdout, stderr } = await trainql(short.id, '--out', '-')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toBe(await read(await client.exportMetrics(short.id)))
})

test('of a run that is gone a URL from before gives nothing', async () => {
  const download = await client.exportMetrics(waiting.id)
  expect(await read(download)).toMatch(/^.*"loss":1,.*\n$/)
  await server.close()
  await rm(waiting.directory, { recursive: true })
  server = await start()
  await client.close()
  client = createClient({ url: server.url })
  await expect(client.exportMetrics(waiting.id)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(read(download)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    type: 'NotFoundFailure',
    message: 'The run of this export is gone, and its measurements with it.',
  })
})
