// The bench command: `npm run bench -- NAME [options]`.
import { parseArgs } from 'node:util'
import { BenchError, type Bench } from './bench.ts'
import { accuracy } from './benches/accuracy.ts'
import { chaos } from './benches/chaos.ts'
import { checkpoint } from './benches/checkpoint.ts'
import { fanout } from './benches/fanout.ts'
import { fuzz } from './benches/fuzz.ts'
import { input } from './benches/input.ts'
import { profile } from './benches/profile.ts'
import { queries } from './benches/queries.ts'
import { queue } from './benches/queue.ts'
import { train } from './benches/train.ts'
import { tune } from './benches/tune.ts'
import { describeMachine } from './machine.ts'
import { markdown } from './markdown.ts'
import { footnotes, heading, partTables, table } from './report.ts'
import { readResult, saveResult, type Result } from './result.ts'

const benches: readonly Bench[] = [
  train,
  profile,
  accuracy,
  input,
  checkpoint,
  fanout,
  queue,
  queries,
  fuzz,
  chaos,
  tune,
]

const settingNames = benches.flatMap(({ settings = {} }) => Object.keys(settings))
const settingsUsage = benches.flatMap(({ name, settings = {} }) =>
  Object.entries(settings).map(([setting, meaning]) => `  ${`--${setting} …`.padEnd(15)} ${name}: ${meaning}`),
)

const usage = `Usage: npm run bench -- NAME [options]
       npm run bench -- --from FILE [--markdown]

  --rows PATTERN  only rows whose name matches this regular expression
  --rounds N      measured rounds, at least 7 for a figure worth keeping (default 9)
  --json          one JSON object on the last line
  --out FILE      keeps that object in FILE, with the rows so far after each of them
  --from FILE     shows what --out kept instead of measuring
  --markdown      tables in Markdown
  --list          benches and their rows
${settingsUsage.join('\n')}

Benches: ${benches.map(({ name, description }) => `${name} (${description})`).join('; ')}`

async function main(): Promise<number> {
  const { values, positionals } = parse()
  if (values.help === true) return print(usage)
  if (values.list === true)
    return print(benches.map(({ name, rowNames }) => `${name}\n  ${rowNames.join('\n  ')}`).join('\n'))
  const show = values.markdown === true ? markdown : plain
  if (values.from !== undefined) return print(show(readResult(values.from)))

  const [name, ...more] = positionals
  const bench = benches.find((candidate) => candidate.name === name)
  if (bench === undefined || more.length > 0) {
    throw new BenchError(`Expected one of the benches ${benches.map((known) => known.name).join(', ')}.\n${usage}`)
  }
  const rows = matchingRows(bench, values.rows)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new BenchError(`Expected a whole number of rounds; got "${values.rounds}".`)

  const result = await measure(bench, { rows, rounds, out: values.out, settings: settingsOf(bench, values) })
  print(`\n${show(result)}`)
  if (values.json === true) print(JSON.stringify(result))
  return result.rows.some(({ status }) => status === 'failed') ? 1 : 0
}

interface Measurement {
  rows: readonly string[]
  rounds: number
  out: string | undefined
  settings: Record<string, string>
}

async function measure(bench: Bench, { rows, rounds, out, settings }: Measurement): Promise<Result> {
  const begun = performance.now()
  const note = (line: string) => {
    process.stderr.write(`${((performance.now() - begun) / 1000).toFixed(0).padStart(5)} s  ${line}\n`)
  }
  const result: Result = { bench: bench.name, date: new Date().toISOString(), machine: describeMachine(), rows: [] }
  for await (const row of bench.run({ rows, rounds, note, settings })) {
    result.rows.push(row)
    note(JSON.stringify({ ...row, parts: undefined }))
    if (out !== undefined) saveResult(out, result)
  }
  return result
}

function plain(result: Result): string {
  const { rows } = result
  return [heading(result), table(rows), footnotes(rows), ...partTables(rows)].join('\n\n')
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rows: { type: 'string', default: '' },
        rounds: { type: 'string', default: '9' },
        json: { type: 'boolean' },
        out: { type: 'string' },
        from: { type: 'string' },
        markdown: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
        ...Object.fromEntries(settingNames.map((name) => [name, { type: 'string' as const }])),
      },
    })
  } catch (error) {
    throw new BenchError(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
  }
}

/** @throws BenchError for an option that is another bench's */
function settingsOf(bench: Bench, values: Readonly<Record<string, unknown>>): Record<string, string> {
  const given = settingNames.flatMap((name) =>
    typeof values[name] === 'string' ? [[name, values[name]] as const] : [],
  )
  for (const [name] of given) {
    if (bench.settings?.[name] === undefined) throw new BenchError(`${bench.name} has no option --${name}.\n${usage}`)
  }
  return Object.fromEntries(given)
}

function matchingRows(bench: Bench, pattern: string): string[] {
  let expression: RegExp
  try {
    expression = new RegExp(pattern)
  } catch (error) {
    throw new BenchError(
      `"${pattern}" is not a regular expression: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
  const rows = bench.rowNames.filter((row) => expression.test(row))
  if (rows.length === 0)
    throw new BenchError(`No row of ${bench.name} matches "${pattern}". Its rows:\n  ${bench.rowNames.join('\n  ')}`)
  return rows
}

function print(text: string): 0 {
  process.stdout.write(`${text}\n`)
  return 0
}

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof BenchError)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
