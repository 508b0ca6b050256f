// The bench command: `npm run bench -- NAME [options]`.
import { parseArgs } from 'node:util'
import { BenchError, type Bench } from './bench.ts'
import { train } from './benches/train.ts'
import { tune } from './benches/tune.ts'
import { describeMachine } from './machine.ts'
import { describe, footnotes, table } from './report.ts'

const benches: readonly Bench[] = [train, tune]

const usage = `Usage: npm run bench -- NAME [options]

  --rows PATTERN  only rows whose name matches this regular expression
  --rounds N      measured rounds, at least 7 for a figure worth keeping (default 9)
  --json          one JSON object on the last line
  --list          benches and their rows

Benches: ${benches.map(({ name, description }) => `${name} (${description})`).join(', ')}`

async function main(): Promise<number> {
  const { values, positionals } = parse()
  if (values.help === true) return print(usage)
  if (values.list === true)
    return print(benches.map(({ name, rowNames }) => `${name}\n  ${rowNames.join('\n  ')}`).join('\n'))
  const [name, ...more] = positionals
  const bench = benches.find((candidate) => candidate.name === name)
  if (bench === undefined || more.length > 0) {
    throw new BenchError(`Expected one of the benches ${benches.map((known) => known.name).join(', ')}.\n${usage}`)
  }
  const rows = matchingRows(bench, values.rows)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new BenchError(`Expected a whole number of rounds; got "${values.rounds}".`)

  const machine = describeMachine()
  const date = new Date().toISOString()
  const results = await bench.run({ rows, rounds, note: (line) => process.stderr.write(`${line}\n`) })
  const peers = [...new Set(results.map(({ detail }) => detail['peer']).filter((peer) => typeof peer === 'string'))]
  print(`\n${bench.name}, ${date}\n${describe(machine)}${peers.length > 0 ? `; ${peers.join('; ')}` : ''}\n`)
  print(`${table(results)}\n\n${footnotes(results)}`)
  if (values.json === true) print(JSON.stringify({ bench: bench.name, date, machine, rows: results }))
  return 0
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        rows: { type: 'string', default: '' },
        rounds: { type: 'string', default: '9' },
        json: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new BenchError(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
  }
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
