// `queries`: how long what a dashboard asks takes on a database of ten thousand runs and ten million steps, how the database
// carries it out, and how long a start on it takes.
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { createClient } from '../../src/sdk/index.ts'
import {
  BenchError,
  rowsOrReason,
  wholeNumber,
  type Bench,
  type BenchOptions,
  type Detail,
  type MeasuredRow,
  type Row,
} from '../bench.ts'
import { createStormServer } from '../chaos/server.ts'
import { warnOfLoad, watchLoad } from '../load.ts'
import { allowedCores } from '../machine.ts'
import { type DatabaseKind, databases, openPlace, type Place } from '../queries/place.ts'
import { deviceCount } from '../queries/population.ts'
import { findPostgres } from '../queries/postgres.ts'
import { questionNames, questions } from '../queries/questions.ts'
import { median } from '../rounds.ts'
import { startWorker, type Worker } from '../worker.ts'

const rowNames = databases.flatMap((kind) =>
  ['fillSeconds', 'startSeconds', ...questionNames].map((name) => `${kind}-${name}`),
)

export const queries: Bench = {
  name: 'queries',
  description: 'what a dashboard asks of 10,000 runs and 10 million steps, and a start on them',
  rowNames,
  settings: {
    runs: 'how many (default 10,000)',
    steps: 'of all of them together (default 10,000,000)',
    asks: 'of each query (default 60)',
    keep: 'folder in which the filled databases are kept and found again',
  },
  run,
}

const bars = { fillSeconds: 300, startSeconds: 5, questionMs: 100 }
const warmUps = 5
const starts = 3

async function* run({ rows, note, settings }: BenchOptions): AsyncGenerator<Row> {
  const sizes = {
    runs: wholeNumber('runs', settings['runs'] ?? '10000'),
    steps: wholeNumber('steps', settings['steps'] ?? '10000000'),
  }
  const asks = wholeNumber('asks', settings['asks'] ?? '60')
  for (const kind of databases) {
    const wanted = rows.filter((name) => name.startsWith(`${kind}-`))
    if (wanted.length === 0) continue
    const { reason } = kind === 'postgres' ? findPostgres() : { reason: null }
    if (reason !== null) {
      for (const name of wanted) yield { name, status: 'skipped', reason }
      continue
    }
    note(`  ${kind}: ${sizes.runs} runs, ${sizes.steps} steps`)
    const place = await openPlace({ kind, sizes, keep: settings['keep'] ?? null, note })
    try {
      const scene = { kind, place, asks, note, isWanted: (name: string) => wanted.includes(`${kind}-${name}`) }
      yield* fillRow(scene)
      if (scene.isWanted('startSeconds'))
        yield* await rowsOrReason([`${kind}-startSeconds`], async () => [await measureStart(scene)])
      yield* askAll(scene)
    } finally {
      await place.close()
    }
  }
}

interface Scene {
  kind: DatabaseKind
  place: Place
  asks: number
  note: (line: string) => void
  isWanted: (name: string) => boolean
}

function* fillRow({ kind, place: { fillSeconds }, isWanted }: Scene): Generator<Row> {
  const name = `${kind}-fillSeconds`
  if (!isWanted('fillSeconds')) return
  if (fillSeconds === null) yield { name, status: 'skipped', reason: 'it had been filled before' }
  else yield measured(name, 's', { value: fillSeconds, bar: bars.fillSeconds })
}

/** From the start of the built server's process until it listens. */
async function measureStart({ kind, place: { home, databaseUrl } }: Scene): Promise<Row> {
  const environment = { TRAINQL_CPU_DEVICES: String(deviceCount), DATABASE_URL: databaseUrl ?? '' }
  const server = await createStormServer({ home, folder: home, environment })
  const seconds: number[] = []
  for (let start = 0; start < starts; start += 1) {
    const begun = performance.now()
    const listening = await server.start().listening
    if (!listening) throw new BenchError(`The server did not come up; see ${server.logFile}.`)
    seconds.push((performance.now() - begun) / 1000)
    await server.stop()
  }
  return measured(`${kind}-startSeconds`, 's', { value: median(seconds), bar: bars.startSeconds, detail: { starts } })
}

async function* askAll({ kind, place, asks, note, isWanted }: Scene): AsyncGenerator<Row> {
  const wanted = questionNames.filter(isWanted)
  if (wanted.length === 0) return
  const server = await startServer(place)
  const client = createClient({ url: server.ready.url })
  const all = questions(place.runs)
  try {
    for (const name of wanted) {
      const row = `${kind}-${name}`
      yield* await rowsOrReason([row], async () => {
        const loadMeanwhile = watchLoad([server, process], allowedCores())
        const times = await ask((turn) => all[name](client, turn), asks)
        const foreignLoad = warnOfLoad(loadMeanwhile(), note)
        const plans = await explain(server, () => all[name](client, asks + warmUps))
        const readWhole = [...new Set(plans.flatMap(({ wholeTables }) => wholeTables))].join(', ')
        if (readWhole !== '') note(`  ! ${row} reads all of ${readWhole}`)
        const detail = {
          ...{ p50Ms: percentile(times, 0.5), p95Ms: percentile(times, 0.95), maxMs: Math.max(...times), asks },
          ...{ statements: plans.length, readWhole: readWhole === '' ? null : readWhole, foreignLoad },
        }
        return [measured(row, 'ms', { value: detail.p95Ms, bar: bars.questionMs, detail, parts: plans.map(partOf) })]
      })
    }
  } finally {
    await client.close()
    await server.close()
  }
}

function startServer({ home, databaseUrl }: Place) {
  const file = fileURLToPath(new URL('../workers/queries-server.ts', import.meta.url))
  const args = ['--import', 'tsx', file, home, databaseUrl ?? '']
  const command = { name: 'the server', command: process.execPath, args, readyWithinMs: 120_000 }
  return startWorker(command, z.object({ url: z.string() }))
}

/** Milliseconds of each, one after the other. */
async function ask(question: (turn: number) => Promise<unknown>, asks: number): Promise<number[]> {
  const times: number[] = []
  for (let turn = 0; turn < warmUps + asks; turn += 1) {
    const begun = performance.now()
    await question(turn)
    if (turn >= warmUps) times.push(performance.now() - begun)
  }
  return times
}

const explained = z.object({
  plans: z.array(
    z.object({
      ...{ statement: z.string(), node: z.string(), access: z.array(z.string()), rows: z.number() },
      ...{ blocks: z.number(), milliseconds: z.number(), wholeTables: z.array(z.string()) },
    }),
  ),
})
type Explained = z.output<typeof explained>['plans'][number]

/** Asks once more, and has the database explain each statement of it. */
async function explain(server: Worker<unknown>, question: () => Promise<unknown>): Promise<Explained[]> {
  await server.ask({ request: 'watch' }, explained)
  await question()
  return (await server.ask({ request: 'explain' }, explained)).plans
}

function partOf({ statement, node, access, rows, blocks, milliseconds, wholeTables }: Explained): Detail {
  const readWhole = wholeTables.length === 0 ? null : wholeTables.join(', ')
  return {
    statement,
    node,
    access: access.join(', '),
    rows: String(rows),
    blocks: String(blocks),
    milliseconds,
    readWhole,
  }
}

/** The smallest value that so large a share of them does not exceed. */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN
}

type Figures = Pick<MeasuredRow, 'value' | 'bar' | 'parts'> & { detail?: Detail }

function measured(name: string, unit: string, { detail = {}, ...figures }: Figures): MeasuredRow {
  return { name, status: 'measured', unit, ours: null, peer: null, ratio: null, ...figures, detail }
}
